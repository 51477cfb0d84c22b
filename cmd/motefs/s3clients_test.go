package main

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/fs/fusetest/process"
)

// noS3Programs is set where other people's S3 programs cannot be had.
const noS3Programs = "MOTEFS_TEST_NO_S3_PROGRAMS"

// needS3 fails a test that lacks a program, unless the variable allows to skip it.
func needS3(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil && os.Getenv(noS3Programs) != "" {
		t.Skipf("%s is set, and there is no %s", noS3Programs, program)
	}
	need(t, program)
}

const (
	s3AccessKey = "AKMOTEFS"
	s3SecretKey = "a secret/with+characters"
)

// serveS3 starts the program as an S3 server with those variables, and returns its
// address.
func serveS3(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := motefs(t, append([]string{"serve", "--s3", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	p := process.Start(t, cmd)
	_, rest, _ := strings.Cut(p.Line(), "S3 at http://")
	addr, _, ok := strings.Cut(rest, ", bucket motefs, region us-east-1, ")
	if !ok {
		t.Fatalf("it does not say where it is: %s", p)
	}
	return addr
}

// s3Tree are files whose names have to be encoded in one place or another.
var s3Tree = map[string]string{
	"plain": "plain", "empty": "", "a b.txt": "space", "a+b": "plus", "100%": "percent", "x%2Fy": "not a slash", "a&b<c>'\"": "XML",
	"é/日本 語.txt": "unicode", "d/e/f/g": "deep", "d/e.x": "before d/e/", "d/e/f.txt": "beside", "q?x#y=z;w": "query", "~!*()$@,:": "signs",
	"large": strings.Repeat("0123456789abcdef", 200_000), // in several parts, as clients fetch it
}

// makeS3Tree writes s3Tree, and a directory with more files than a page has keys.
func makeS3Tree(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range s3Tree {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, []byte(content))
		names = append(names, name)
	}
	slices.Sort(names)
	return dir, names
}

// s3Client is somebody else's program. Its commands are of a shell that has the
// address as $1 and a directory to copy to as $2.
type s3Client struct {
	program    string
	list, copy string
	accessKey  string // default s3AccessKey
}

var s3Clients = map[string]s3Client{
	"rclone": {
		program: "rclone",
		list:    `rclone lsf -R --files-only $RCLONE :s3:motefs`,
		copy:    `rclone copy $RCLONE :s3:motefs "$2"`,
	},
	"aws": {
		program: "aws",
		list: `aws --endpoint-url "http://$1" $AWS s3api list-objects-v2 --bucket motefs --page-size 3 --output json |
			python3 -c 'import json, sys; [print(o["Key"]) for o in json.load(sys.stdin)["Contents"]]'`,
		copy: `aws --endpoint-url "http://$1" $AWS s3 sync --no-progress --page-size 3 s3://motefs "$2" >&2`,
	},
	"s3cmd": {
		program: "s3cmd",
		list:    `s3cmd $S3CMD ls -r s3://motefs | sed 's,^.*s3://motefs/,,'`,
		copy:    `s3cmd $S3CMD get -r s3://motefs/ "$2" >&2`,
	},
}

// run runs a command of a client that has that secret; none for an anonymous one.
func (c *s3Client) run(t *testing.T, command, addr, dir, secret string) *process.Process {
	t.Helper()
	home := t.TempDir()
	env := append(environ(), "HOME="+home, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_DEFAULT_REGION=us-east-1", "LC_ALL=C.UTF-8", "RCLONE_CONFIG="+filepath.Join(home, "none"), "PYTHONIOENCODING=utf-8", "no_proxy=*", "NO_PROXY=*")
	rclone := "--retries 1 --low-level-retries 1 --s3-provider Other --s3-list-version 2 --s3-list-chunk 3 --s3-endpoint http://" + addr
	s3cmd := "-c " + filepath.Join(home, "none") + " --no-ssl --host " + addr + " --host-bucket " + addr + " --no-progress"
	if secret != "" {
		env = append(env, "AWS_ACCESS_KEY_ID="+cmp.Or(c.accessKey, s3AccessKey), "AWS_SECRET_ACCESS_KEY="+secret, "RCLONE_S3_ENV_AUTH=true")
	} else {
		env = append(env, "AWS=--no-sign-request")
	}
	cmd := process.Command("sh", "-ec", command, "sh", addr, dir)
	env = append(env, "RCLONE="+rclone, "S3CMD="+s3cmd)
	cmd.Env = env
	p := process.Start(t, cmd)
	p.Wait()
	return p
}

// TestS3Clients has programs that know S3 list and copy a tree, signed and not, and
// be told of a wrong secret.
func TestS3Clients(t *testing.T) {
	t.Parallel()
	dir, names := makeS3Tree(t)
	anyone := serveS3(t, nil, dir)
	signed := serveS3(t, []string{"AWS_SECRET_ACCESS_KEY=" + s3SecretKey}, "--access-key", s3AccessKey, dir)
	for name, c := range s3Clients {
		t.Run(name, func(t *testing.T) {
			needS3(t, c.program)
			for addr, secret := range map[string]string{anyone: "", signed: s3SecretKey} {
				if name == "s3cmd" && secret == "" {
					continue // it asks for keys
				}
				p := c.run(t, c.list, addr, "", secret)
				listed := lines(p.Stdout.String())
				if slices.Sort(listed); !slices.Equal(listed, names) {
					t.Errorf("listed %q, want %q: %s", listed, names, p)
				}
				to := t.TempDir()
				if p := c.run(t, c.copy, addr, to, secret); p.Cmd.ProcessState.ExitCode() != 0 {
					t.Errorf("copy: %s", p)
				}
				shell(t, `diff -r "$1" "$2"`, dir, to)
			}
			if p := c.run(t, c.list, signed, "", "wrong"); !strings.Contains(p.Stderr.String(), "SignatureDoesNotMatch") {
				t.Errorf("of a wrong secret it says %s", p)
			}
		})
	}
}

// TestS3Requests has AWS's own program ask for what motefs serve knows beyond listing
// and copying, and be refused as AWS refuses.
func TestS3Requests(t *testing.T) {
	t.Parallel()
	needS3(t, "aws")
	dir, _ := makeS3Tree(t)
	addr := serveS3(t, []string{"AWS_ACCESS_KEY_ID=" + s3AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3SecretKey, "AWS_SESSION_TOKEN=token+/=="}, dir)
	const token = "AWS_SESSION_TOKEN=token+/== "
	c := s3Clients["aws"]
	for _, test := range []struct{ env, command, says string }{
		{token, `get-object --bucket motefs --key d/e/f/g --range bytes=1-2 "$2/part" && cat "$2/part"`, "ee"},
		{token, `get-object --bucket motefs --key plain --if-match '"other"' "$2/part"`, "PreconditionFailed"},
		{token, `head-object --bucket motefs --key 'a+b'`, `"ContentLength": 4`},
		{token, `list-buckets`, `"Name": "motefs"`},
		{token, `list-objects-v2 --bucket motefs --prefix d/ --delimiter / --start-after d/e.w --query '[Contents[].Key, CommonPrefixes[].Prefix]' --output text`, "d/e.x\nd/e/\n"},
		{token, `list-objects --bucket motefs --prefix d/ --page-size 1 --query 'Contents[].Key' --output text`, "d/e/f/g\n"},
		{token, `put-object --bucket motefs --key new`, "MethodNotAllowed"},
		{token + "AWS_DEFAULT_REGION=eu-west-1 ", `list-objects-v2 --bucket motefs --max-items 1`, `"Key"`}, // it goes where the answer says
		{"", `list-objects-v2 --bucket motefs`, "InvalidToken"},
	} {
		p := c.run(t, test.env+`aws --endpoint-url "http://$1" s3api `+test.command, addr, t.TempDir(), s3SecretKey)
		if said := p.Stdout.String() + p.Stderr.String(); !strings.Contains(said, test.says) {
			t.Errorf("it does not say %q: %s", test.says, p)
		}
	}
}
