package mountopts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("mount", pflag.ContinueOnError)
	f.Bool("prefetch-all", false, "")
	f.Bool("allow-other", false, "")
	f.Bool("allow-non-empty", false, "")
	f.Bool("exec", false, "")
	f.Bool("secret-door", false, "")
	_ = f.MarkHidden("secret-door")
	f.String("store", "", "")
	f.Int("uid", 0, "")
	f.StringArray("header", nil, "")
	f.String("refresh", "", "")
	f.Lookup("refresh").NoOptDefVal = "names"
	return f
}

// What libmount of util-linux 2.38 passes for various lines of fstab, and what others
// write.
func TestArgs(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"http://h /m -o rw", "-- http://h /m"},
		{"http://h/a_b /m -o rw,noexec,nosuid,nodev,prefetch_all,header=@/a,_netdev,nofail,user", "--prefetch-all --header=@/a -- http://h/a_b /m"},
		{"s3://bucket/pre//fix /m -o ro,uid=7,nofail", "--uid=7 -- s3://bucket/pre//fix /m"},
		{"-n -v -s -f s3://b /m -t fuse.motefs -o rw,noatime,users,exec", "--exec -- s3://b /m"},
		{"-sfnv http://h /m -orw,store=/a=b", "--store=/a=b -- http://h /m"},
		{`http://h /m -o store="/a,b",,allow-other,x-systemd.automount,X-mount.mkdir,comment=c`, "--store=/a,b --allow-other -- http://h /m"},
		{"http://h /m -o nonempty,default_permissions,refresh -o refresh=contents", "--allow-non-empty --refresh --refresh=contents -- http://h /m"},
		{"http://h /m", "-- http://h /m"},
		{"-s http://h /m -o no_such_thing,prefetch_all", "--prefetch-all -- http://h /m"},
		{"-- -h /m", "-- -h /m"},
	} {
		call, err := Parse(strings.Fields(tc.args))
		if err != nil {
			t.Errorf("%s: %v", tc.args, err)
			continue
		}
		got, _, err := call.Args(flags())
		if err != nil || strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q, %v; want %s", tc.args, got, err, tc.want)
		}
	}
}

// Mistakes are named, and nothing that may be a secret is.
func TestRefused(t *testing.T) {
	for args, want := range map[string]string{
		"http://h /m -o prefetchall":             `unknown option "prefetchall"; is it prefetch-all?`,
		"http://h /m -o netdev":                  "is it _netdev?",
		"http://h /m -o nofial":                  "is it nofail?",
		"http://h /m -o token=geheim":            `unknown option "token"; options are`,
		"http://h /m -o secret_door":             "unknown option",
		"http://h /m -o header=Auth:geheim":      "@FILE",
		"http://h /m -o header":                  "@FILE",
		"http://h /m -o env.TOKEN=geheim":        "env-file=FILE",
		"http://h /m -o env-file":                "give a file",
		"http://h /m -o store":                   "wants a value",
		"http://h /m -o suid":                    "never count",
		"http://h /m -o remount,ro":              "unmount and mount again",
		"http://h /m -o daemon":                  "what mount does",
		`http://h /m -o store="geheim`:           "not closed",
		"http://h /m -o":                         "wants a value",
		"http://h /m -x":                         "unknown flag -x",
		"http://h /m -N /proc/1/ns/mnt":          "namespace",
		"http://h":                               "1 operands",
		"http://h /m geheim":                     "3 operands",
		"http://h /m -o " + long + "=geheim":     "unknown option",
		"http://h /m -o prefetch_all,=geheim,ro": "unknown option",
	} {
		call, err := Parse(strings.Fields(args))
		if err == nil {
			_, _, err = call.Args(flags())
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v; want %q", args, err, want)
		}
	}
}

var long = strings.Repeat("long", 1000)

func TestReadEnv(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	set := func(name, value string) error {
		got = append(got, name+"="+value)
		return nil
	}
	write("# a comment\n; another\n\nA=b\r\n  B_1=\"c d\"  \nC='e\nD=\nE=f=g\n")
	if err := ReadEnv(path, set); err != nil || !slices.Equal(got, []string{"A=b", "B_1=c d", "C='e", "D=", "E=f=g"}) {
		t.Errorf("%q, %v", got, err)
	}
	for text, want := range map[string]string{"A=b\ngeheim": "line 2", "1A=geheim": "line 1", strings.Repeat("#", maxEnvFile+1): "longer"} {
		write(text)
		if err := ReadEnv(path, set); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%.20q: %v; want %q", text, err, want)
		}
	}
	if err := ReadEnv(path+"none", set); err == nil {
		t.Error("a file that is not there is read")
	}
}

// FuzzParse has any command line be read: it ends without a panic, and everything that is
// passed on is a flag that is known or stands behind "--".
func FuzzParse(f *testing.F) {
	f.Add("http://h\x00/m\x00-o\x00rw,prefetch_all,store=\"a,b\"")
	f.Add("-sfnv\x00-t\x00x\x00a\x00b")
	known := flags()
	f.Fuzz(func(t *testing.T, line string) {
		call, err := Parse(strings.Split(line, "\x00"))
		if err != nil {
			return
		}
		args, _, err := call.Args(known)
		if err != nil {
			return
		}
		if n := len(args); n < 3 || args[n-3] != "--" || args[n-2] != call.Source || args[n-1] != call.Dir {
			t.Fatalf("%q", args)
		}
		for _, arg := range args[:len(args)-3] {
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			if flag := known.Lookup(name); flag == nil || flag.Hidden {
				t.Errorf("%q is passed on", arg)
			}
			if value, ok := strings.CutPrefix(arg, "--header="); ok && !strings.HasPrefix(value, "@") {
				t.Errorf("%q is passed on", arg)
			}
		}
	})
}
