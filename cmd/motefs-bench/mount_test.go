package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

// needFUSE fails a test where nothing can be mounted, unless that is said to be so.
func needFUSE(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		if os.Getenv("MOTEFS_TEST_NO_FUSE") != "" {
			t.Skip("MOTEFS_TEST_NO_FUSE is set, and there is no /dev/fuse")
		}
		t.Fatal("there is no /dev/fuse; set MOTEFS_TEST_NO_FUSE=1 to go without")
	}
}

func buildMotefs(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "motefs")
	if out, err := exec.Command("go", "build", "-o", path, "../motefs").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// nothingLeft checks that a directory is empty and nothing is mounted in it.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	if mounted, err := mountsBelow(dir); err != nil || len(mounted) > 0 {
		t.Errorf("still mounted: %q, %v", mounted, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func wantRows(t *testing.T, text string, rows ...string) {
	t.Helper()
	for _, row := range rows {
		if !regexp.MustCompile(`(?m)^` + row + `$`).MatchString(text) {
			t.Errorf("no row matches %s in\n%s", row, text)
		}
	}
}

// TestMountRows runs the smallest benchmark of mounts there is: a real motefs, the
// floor, and the disk.
func TestMountRows(t *testing.T) {
	needFUSE(t)
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"mount", "-quick", "-only", ": (no-op|motefs|the store|" + filesystem(dir) + ")", "-files", "2345", "-reads", "345",
		"-repeat", "2", "-keep-caches", "-motefs", buildMotefs(t), "-dir", dir}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	disk := regexp.QuoteMeta(filesystem(dir))
	const times = ` [\d,.]+ \([\d,.]+ – [\d,.]+\) `
	for _, on := range []string{"no-op go-fuse", "motefs mount", disk} {
		wantRows(t, stdout.String(),
			`\| open, read, close \| `+on+` \| 345 of 2,345 \|`+times+`µs \([\d,]+/s\) \|`+times+`µs \([\d,]+/s\) \|`,
			`\| getdents64 \| `+on+` \| 2,345 \| [\d,]+ \([^|]+\)/s \| [\d,]+ \([^|]+\)/s \|`,
			`\| ls -l \| `+on+` \| 2,345 \|`+times+`m?s \|`+times+`m?s \|`,
			`\| ls -f into head \| `+on+` \| 2,345 \|`+times+`m?s \|`+times+`m?s \|`)
	}
	wantRows(t, stdout.String(),
		`\| ready \| motefs mount \| 2,345 \|`+times+`m?s \|`+times+`m?s \|`,
		`\| memory, mounted \| motefs mount \| 2,345 \|`+times+`MB \| – \|`,
		`\| memory, after 345 reads \| motefs mount \| 2,345 \|`+times+`MB \|`+times+`MB \|`,
		`\| memory, peak \| motefs mount \| 2,345 \| – \|`+times+`MB \|`,
		`\| sequential read, 64 MiB \| motefs mount \| 1 \|`+times+`MB/s \|`+times+`MB/s \|`,
		`\| sequential read, 64 MiB \| the store's file itself \| 1 \|`+times+`MB/s \|`+times+`MB/s \|`)
	nothingLeft(t, dir)
}

// TestMountOfAStore measures a store with directories that was there before.
func TestMountOfAStore(t *testing.T) {
	needFUSE(t)
	motefs, dir, store := buildMotefs(t), t.TempDir(), filepath.Join(t.TempDir(), "store")
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 1000, FilesPerDir: 100})
	origin, err := origintest.Open(serve.Options{}, source)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(motefs, "mirror", "--store", store, origin.URL()).CombinedOutput()
	if err := errors.Join(err, origin.Close()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var stdout, stderr bytes.Buffer
	err = run(t.Context(), []string{"mount", "-reads", "50", "-repeat", "1", "-keep-caches", "-store", store, "-motefs", motefs, "-dir", dir}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	wantRows(t, stdout.String(),
		`\| open, read, close \| motefs mount \| 50 of 1,000 \| [\d,.]+ µs .*`,
		`\| getdents64 \| motefs mount \| 1,000 \| [\d,]+/s \| [\d,]+/s \|`,
		`\| memory, peak \| motefs mount \| 1,000 \| – \| [\d.]+ MB \|`)
	nothingLeft(t, dir)
	if out, err := exec.Command(motefs, "verify", "--store", store).CombinedOutput(); err != nil {
		t.Errorf("the store is not as it was: %v\n%s", err, out)
	}
}

// TestMountIsInterrupted cancels while a filesystem is mounted.
func TestMountIsInterrupted(t *testing.T) {
	needFUSE(t)
	dir, motefs := t.TempDir(), buildMotefs(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if mounted, err := mountsBelow(dir); err != nil || len(mounted) > 0 {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	var stdout, stderr bytes.Buffer
	err := run(ctx, []string{"mount", "-only", "getdents64: no-op", "-files", "50000000", "-keep-caches", "-motefs", motefs, "-dir", dir}, &stdout, &stderr)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v\n%s", err, stderr.String())
	}
	nothingLeft(t, dir)
}

func TestMountThatDoesNotStart(t *testing.T) {
	mountpoint := filepath.Join(t.TempDir(), "mnt")
	start := func(ctx context.Context, script string) error {
		_, err := startMount(ctx, mountSpec{argv: []string{"sh", "-c", script}, mountpoint: mountpoint})
		return err
	}
	if err := start(t.Context(), "echo no device >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "no device") {
		t.Errorf("one that ends: %v", err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errTimeout)
	defer cancel()
	if err := start(ctx, "exec sleep 600"); !errors.Is(err, errTimeout) {
		t.Errorf("one that hangs: %v", err)
	}
}

func TestMountOptions(t *testing.T) {
	for _, args := range [][]string{{"-files", "-1"}, {"-repeat", "0"}, {"-store", "s", "-files", "3"}, {"-only", "("}, {"more"}} {
		if _, err := parseMountOptions(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	o, err := parseMountOptions([]string{"-quick"}, &bytes.Buffer{})
	if err != nil || o.files != mountFiles/quickFiles || o.reads != mountReads/quickFiles {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestMountPlanNamesEachRowOnce(t *testing.T) {
	b := &mountBench{mountOptions: mountOptions{files: mountFiles, reads: mountReads}, dropCaches: true}
	rows, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.name()] || r.measure == nil || len(r.lines) == 0 || r.set.files < 1 || r.reads > r.set.files {
			t.Errorf("row %q: seen %v, %+v", r.name(), seen[r.name()], r)
		}
		seen[r.name()] = true
	}
	if len(rows) != 20 {
		t.Errorf("%d rows", len(rows))
	}
}
