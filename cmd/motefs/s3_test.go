package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// withKeys has a command have these credentials, and no others that the machine may have.
func withKeys(t *testing.T, cmd *exec.Cmd, id, secret string) *exec.Cmd {
	cmd.Env = append(cmd.Env, "AWS_CONFIG_FILE="+filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE="+filepath.Join(t.TempDir(), "none"), "AWS_EC2_METADATA_DISABLED=true")
	if id != "" {
		cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+id, "AWS_SECRET_ACCESS_KEY="+secret)
	}
	return cmd
}

// TestMirrorOfS3 mirrors a tree with odd names from two servers, signed, whole and below a
// prefix, mounts it, and compares every byte. Then it follows the tree.
func TestMirrorOfS3(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(t *testing.T, root string) (url, id, secret string){
		"motefs serve": func(t *testing.T, root string) (string, string, string) {
			addr := serveS3(t, []string{"AWS_ACCESS_KEY_ID=" + s3AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3SecretKey}, filepath.Join(root, "motefs"))
			return "http://" + addr, s3AccessKey, s3SecretKey
		},
		"versitygw": func(t *testing.T, root string) (string, string, string) {
			return startVersitygw(t, root), versitygw.AccessKey, versitygw.SecretKey
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			tree := filepath.Join(root, "motefs")
			dir, _ := makeS3Tree(t)
			if err := os.Rename(dir, tree); err != nil {
				t.Fatal(err)
			}
			shell(t, `cd "$1" && mkdir many && cd many && seq -f 'file %05g' 1 2500 | while read -r n; do echo "$n" > "$n"; done`, tree)
			url, id, secret := serve(t, root)
			store := filepath.Join(t.TempDir(), "store")
			mirror := func(want int, origin string, args ...string) *process.Process {
				t.Helper()
				p := process.Start(t, withKeys(t, motefs(t, append([]string{"mirror", "--endpoint-url", url, "--store", store, origin}, args...)...), id, secret))
				if status := p.Wait(); status != want {
					t.Fatalf("status %d: %s", status, p)
				}
				return p
			}
			mirror(exitOK, "s3://motefs")
			finish(t, exitOK, "verify", "--store", store)
			m := &mountedProcess{t: t, dir: t.TempDir(), store: store}
			t.Cleanup(m.clear)
			m = m.start(withKeys(t, motefs(t, "mount", "--endpoint-url", url, "--store", store, "s3://motefs", m.dir), id, secret))
			shell(t, `diff -r "$1" "$2"`, tree, m.dir)
			m.stop()

			shell(t, `cd "$1/many" && rm 'file 00007' && echo another > 'file 00009' && echo new > 'file 1'`, tree)
			if p := mirror(exitOK, "s3://motefs", "--refresh"); !strings.Contains(p.Stdout.String(), "1 new, 1 changed, 1 removed") {
				t.Errorf("refresh: %s", p)
			}
			m = m.start(withKeys(t, motefs(t, "mount", "--endpoint-url", url, "--store", store, "s3://motefs", m.dir), id, secret))
			shell(t, `diff -r "$1" "$2"`, tree, m.dir)
			m.stop()

			whole := store
			store = filepath.Join(t.TempDir(), "store")
			mirror(exitOK, "s3://motefs/d/e/")
			m.store = store
			m = m.start(withKeys(t, motefs(t, "mount", "--endpoint-url", url, "--store", store, "s3://motefs/d/e", m.dir), id, secret))
			shell(t, `diff -r "$1/d/e" "$2"`, tree, m.dir)
			m.stop()
			store = whole
			if p := mirror(exitStore, "s3://motefs/d"); !strings.Contains(p.Stderr.String(), "s3://motefs at "+url) {
				t.Errorf("a store of another origin: %s", p)
			}
		})
	}
}

// TestConfiguredEndpoint finds the server where AWS's configuration has it.
func TestConfiguredEndpoint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	write(t, file, []byte("[default]\nendpoint_url = http://all.invalid\nregion = eu-west-9\n[profile own]\nservices = mine\n[services mine]\ns3 =\n  endpoint_url = http://s3.invalid:9000/\n"))
	for _, c := range []struct {
		env           map[string]string
		flag, profile string
		want          string
	}{
		{want: "s3://b/p at http://all.invalid"},
		{profile: "own", want: "s3://b/p at http://s3.invalid:9000"},
		{env: map[string]string{"AWS_ENDPOINT_URL": "http://env.invalid"}, want: "s3://b/p at http://env.invalid"},
		{env: map[string]string{"AWS_ENDPOINT_URL": "http://env.invalid", "AWS_ENDPOINT_URL_S3": "http://env3.invalid"}, want: "s3://b/p at http://env3.invalid"},
		{env: map[string]string{"AWS_ENDPOINT_URL_S3": "http://env3.invalid", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, want: "s3://b/p"},
		{env: map[string]string{"AWS_ENDPOINT_URL_S3": "http://env3.invalid"}, flag: "http://flag.invalid:80/", want: "s3://b/p at http://flag.invalid"},
	} {
		t.Run(c.want, func(t *testing.T) {
			for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_REGION", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"} {
				t.Setenv(name, c.env[name])
			}
			t.Setenv("AWS_CONFIG_FILE", file)
			f := &s3Flags{endpoint: c.flag, profile: c.profile}
			if id, err := f.identity("S3://b/p//"); err != nil || id != c.want {
				t.Errorf("%q, %v, want %q", id, err, c.want)
			}
			if want := "eu-west-9"; c.profile == "" && f.region != want {
				t.Errorf("region %q, want %q", f.region, want)
			}
		})
	}
}

// TestListedOnS3 lists, measures and searches a mount of objects that nobody has fetched:
// none is asked for. Then it reads one.
func TestListedOnS3(t *testing.T) {
	t.Parallel()
	const files = 3000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 100, Validators: true})
	s := serveTest(t, serve.Options{S3: &serve.S3Options{}}, src)
	m := &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	t.Cleanup(m.clear)
	m = m.start(withKeys(t, motefs(t, "mount", "--no-sign-request", "--endpoint-url", s.URL(), "--store", m.store, "s3://motefs", m.dir), "", ""))
	m.Logs("every name is listed")
	before := s.Counts().Gets
	if n := lines(shell(t, `ls -lR "$1" | grep -c ' 100 '; find "$1" -type f -size 100c | wc -l; du -s --apparent-size -B1 "$1" | cut -f1`, m.dir)); n[0] != fmt.Sprint(files) || n[1] != fmt.Sprint(files) {
		t.Errorf("%q", n)
	}
	if n := s.Counts().Gets - before; n != 0 {
		t.Errorf("%d objects were asked for", n)
	}
	if got := shell(t, `cd "$1" && find . -type f | sort | head -n 1 | xargs cat | wc -c`, m.dir); got != "100\n" {
		t.Errorf("%q", got)
	}
	if s.Counts().Gets == before {
		t.Error("nothing was asked for")
	}
	m.stop()
}

// TestMistakesOnS3 has each be one line that names it and what to do.
func TestMistakesOnS3(t *testing.T) {
	t.Parallel()
	signed := serveTest(t, serve.Options{S3: &serve.S3Options{AccessKey: s3AccessKey, SecretKey: s3SecretKey, Region: "eu-west-9"}}, origintest.NewFiles(origintest.File{Name: "a", Body: []byte("a")}))
	page := serveTest(t, serve.Options{}, synthetic(1))
	for what, c := range map[string]struct {
		args   []string
		id     string
		secret string
		want   int
		says   string
	}{
		"another secret":   {args: []string{"--endpoint-url", signed.URL(), "s3://motefs"}, id: s3AccessKey, secret: "wrong", want: exitOrigin, says: "SignatureDoesNotMatch.*check the access key"},
		"another key":      {args: []string{"--endpoint-url", signed.URL(), "s3://motefs"}, id: "AKNOBODY", secret: s3SecretKey, want: exitOrigin, says: "InvalidAccessKeyId.*check the access key"},
		"no credentials":   {args: []string{"--endpoint-url", signed.URL(), "s3://motefs"}, want: exitOrigin, says: "no credentials were found; set AWS_ACCESS_KEY_ID.*--no-sign-request"},
		"unsigned":         {args: []string{"--no-sign-request", "--endpoint-url", signed.URL(), "s3://motefs"}, want: exitOrigin, says: "AccessDenied.*s3:ListBucket"},
		"no bucket":        {args: []string{"--endpoint-url", signed.URL(), "s3://another"}, id: s3AccessKey, secret: s3SecretKey, want: exitOrigin, says: "NoSuchBucket.*--endpoint-url"},
		"no profile":       {args: []string{"--profile", "nobody", "s3://motefs"}, want: exitUsage, says: "nobody"},
		"no S3":            {args: []string{"--endpoint-url", page.URL(), "--no-sign-request", "s3://motefs"}, want: exitOrigin, says: "cannot be listed"},
		"no bucket's name": {args: []string{"s3://"}, want: exitUsage, says: "s3://BUCKET"},
		"a bad one":        {args: []string{"--no-sign-request", "--endpoint-url", signed.URL(), "s3://a b"}, want: exitUsage, says: "bucket \"a b\""},
		"a bad endpoint":   {args: []string{"--no-sign-request", "--endpoint-url", "ftp://x", "s3://motefs"}, want: exitUsage, says: "--endpoint-url"},
		"a secret in it":   {args: []string{"--endpoint-url", "http://u:secretword@127.0.0.1:1", "s3://motefs"}, want: exitUsage, says: "--endpoint-url: give a URL"},
		"other words":      {args: []string{"--list-path", "x", "s3://motefs"}, want: exitUsage, says: "a bucket lists in its own way"},
		"S3's words":       {args: []string{"--region", "x", signed.URL()}, want: exitUsage, says: "go with an origin s3://BUCKET"},
		"a style":          {args: []string{"--path-style", "maybe", "s3://motefs"}, want: exitUsage, says: "auto, on or off"},
		"no listers":       {args: []string{"--listers", "0", "s3://motefs"}, want: exitUsage, says: "1 to 256"},
		"signed or not":    {args: []string{"--no-sign-request", "--profile", "p", "s3://motefs"}, want: exitUsage, says: "give one of them"},
	} {
		store := filepath.Join(t.TempDir(), "store")
		p := process.Start(t, withKeys(t, motefs(t, append([]string{"mirror", "--store", store}, c.args...)...), c.id, c.secret))
		status := p.Wait()
		text := lines(p.Stderr.String())
		if status != c.want || len(text) == 0 || !matches(text[len(text)-1], c.says) && !matches(p.Stderr.String(), c.says) || strings.Contains(p.Stderr.String(), "secretword") {
			t.Errorf("%s: status %d, want %d: %s", what, status, c.want, p)
		}
	}
	// A region that is not the bucket's is found out.
	store := filepath.Join(t.TempDir(), "store")
	p := process.Start(t, withKeys(t, motefs(t, "mirror", "--store", store, "--endpoint-url", signed.URL(), "s3://motefs"), s3AccessKey, s3SecretKey))
	if status := p.Wait(); status != exitOK || !strings.Contains(p.Stderr.String(), "eu-west-9") {
		t.Errorf("status %d: %s", status, p)
	}
}

// matches reports whether the parts of a pattern, which are apart by ".*", are in a text in order.
func matches(text, pattern string) bool {
	for part := range strings.SplitSeq(pattern, ".*") {
		_, rest, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = rest
	}
	return true
}

// TestS3InTrouble mirrors from a server that is too busy now and then, and ill: nothing is
// lost, and nothing is left failed.
func TestS3InTrouble(t *testing.T) {
	t.Parallel()
	const files = 5000
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: files, FilesPerDir: 500, Validators: true})
	s := origintest.New(t, serve.Options{S3: &serve.S3Options{}, PageSize: 100}, src)
	trouble := func(n int) origintest.Fault {
		switch n % 97 {
		case 5:
			return origintest.S3Refusal(http.StatusServiceUnavailable, "SlowDown")
		case 50:
			return origintest.S3Refusal(http.StatusInternalServerError, "InternalError")
		}
		return origintest.Fault{}
	}
	s.SetFaults(origintest.Faults{
		OnGet:  func(_ []byte, n int) origintest.Fault { return trouble(n) },
		OnList: func(_ string, n int) origintest.Fault { return trouble(n + 3) },
	})
	store := filepath.Join(t.TempDir(), "store")
	p := process.Start(t, withKeys(t, motefs(t, "mirror", "--no-sign-request", "--endpoint-url", s.URL(), "--store", store, "s3://motefs"), "", ""))
	if status := p.Wait(); status != exitOK || !strings.Contains(p.Stdout.String(), "5,000 listed, 5,000 fetched") {
		t.Errorf("status %d: %s", status, p)
	}
	finish(t, exitOK, "verify", "--store", store)
}
