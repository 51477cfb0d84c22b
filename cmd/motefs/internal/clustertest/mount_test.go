package clustertest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/process"
)

// mounted is a mount of the mirror, which may begin while the mirror
// is still made.
type mounted struct {
	*process.Process
	r   *run
	dir string
}

// mount mounts what is made.
func (r *run) mount() *mounted {
	r.t.Helper()
	return r.mountAt(filepath.Join(r.t.TempDir(), "store"))
}

// mountAt is mount with a store that may be there.
func (r *run) mountAt(store string) *mounted {
	t := r.t
	t.Helper()
	fusetest.Need(t)
	m := &mounted{r: r, dir: t.TempDir()}
	t.Cleanup(func() {
		if left, _ := fusetest.Below(m.dir); len(left) > 0 {
			_ = exec.Command("umount", "-l", m.dir).Run()
		}
	})
	m.Process = process.Start(t, program(
		"mount", "--config", os.DevNull, "--store", store, "--segments", r.url(),
		"--segments-endpoint-url", r.s3.String(), "--segments-region", versitygw.Region, "--segments-path-style", "on", "--progress", "none", m.dir))
	m.Says("serving")
	return m
}

// compare compares all files and names, and unmounts.
func (m *mounted) compare() {
	t := m.r.t
	t.Helper()
	var sums strings.Builder
	for i := range m.r.src.Len() {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(m.r.src.Body(i)), m.r.src.Name(i))
	}
	list := filepath.Join(t.TempDir(), "sums")
	must(t, os.WriteFile(list, []byte(sums.String()), 0o600))
	files := ""
	m.r.until("all names in the mount", func() bool {
		files = strings.TrimSpace(process.MustRun(t, "sh", "-c", `find "$1" -type f | wc -l`, "sh", m.dir))
		return files == fmt.Sprint(m.r.src.Len())
	})
	process.MustRun(t, "sh", "-c", `cd "$1" && exec sha256sum --quiet -c "$2"`, "sh", m.dir, list)
	m.Signal(os.Interrupt)
	if status := m.Wait(); status != 0 {
		t.Errorf("the mount exits with %d: %s", status, m)
	}
}
