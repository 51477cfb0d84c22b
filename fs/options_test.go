package fs

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/motefs/motefs/cache"
)

// mountOptions are those of the mount on dir in the kernel's table, in order.
func mountOptions(t *testing.T, dir string) []string {
	t.Helper()
	table, err := os.ReadFile(mountTable)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 5 && unescape(f[4]) == dir {
			options := strings.Split(f[5], ",")
			slices.Sort(options)
			return options
		}
	}
	t.Fatalf("%s is not mounted", dir)
	return nil
}

func TestMountOptions(t *testing.T) {
	for _, helper := range []bool{false, true} {
		for _, exec := range []bool{false, true} {
			t.Run(fmt.Sprintf("helper %v, exec %v", helper, exec), func(t *testing.T) {
				s := newFakeStore()
				s.file(cache.RootInode, "script", "#!/bin/sh\necho ran\n")
				r := newRig(t, s, nil, func(o *Options) { o.helper, o.Exec = helper, exec })
				options := mountOptions(t, r.dir)
				for _, want := range []string{"ro", "nosuid", "nodev"} {
					if !slices.Contains(options, want) {
						t.Errorf("not %s: %q", want, options)
					}
				}
				if noexec := slices.Contains(options, "noexec"); noexec == exec {
					t.Errorf("options %q", options)
				}
				mode, run := "444 555\n", "Permission denied"
				if exec {
					mode, run = "555 555\n", "ran\n"
				}
				if got := r.ok("sh", "-c", `echo $(stat -c %a "$1" "$2")`, "sh", r.path("script"), r.dir); got != mode {
					t.Errorf("modes %q", got)
				}
				if out, _ := r.run("sh", "-c", `exec "$1"`, "sh", r.path("script")); !strings.Contains(out, run) {
					t.Errorf("run as a program it says %q", out)
				}
			})
		}
	}
}
