package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/motefs/motefs/mirror/origin/serve"
)

var motefs string

// TestMain lets the test binary play the program's children, as the program does.
func TestMain(m *testing.M) {
	if code, named := helperMain(os.Args[1:]); named {
		os.Exit(code)
	}
	dir, err := os.MkdirTemp("", "motefs-bench-test-")
	if err != nil {
		panic(err)
	}
	motefs = filepath.Join(dir, "motefs")
	if out, err := exec.Command("go", "build", "-o", motefs, "../motefs").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build: %v\n%s", err, out))
	}
	// A child with the race detector in it waits a second at its end for reports.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// benchmark runs the program with so little to do, and checks that it leaves nothing
// behind.
func benchmark(ctx context.Context, t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := run(ctx, append(args, "-motefs", motefs, "-dir", dir), &stdout, &stderr)
	t.Log(stderr.String())
	mounted, mountsErr := mountedBelow(dir)
	if left, err := os.ReadDir(dir); err != nil || mountsErr != nil || len(left) > 0 || mounted {
		t.Errorf("left behind: %v, mounted: %v, %v, %v", left, mounted, err, mountsErr)
	}
	return stdout.String(), err
}

func wantRows(t *testing.T, text string, err error, rows ...string) {
	t.Helper()
	for _, row := range rows {
		if err != nil || !regexp.MustCompile(`(?m)^\| `+row+` \|$`).MatchString(text) {
			t.Errorf("%v: no row matches %s in\n%s", err, row, text)
		}
	}
}

// A median with its range.
const spreads = `[\d,.]+ \([\d,.]+ – [\d,.]+\)`

// TestMirrorRows runs the smallest benchmark of mirrors there is.
func TestMirrorRows(t *testing.T) {
	text, err := benchmark(t.Context(), t, t.TempDir(), "-quick", "-only", "^(motefs|curl)", "-files", "2345", "-repeat", "2")
	wantRows(t, text, err,
		`nginx \| motefs mirror \| a store \| (2,345 \| .*|not installed: apt-get install nginx-light.*)`,
		`serve \| motefs mirror \| a store \| 2,345 \| `+spreads+` \| `+spreads+` \| [\d.]+ MB \| –`,
		`serve \| motefs mirror, shuffled listing \| a store \| 2,345 \| `+spreads+` .*`,
		`serve \| curl -Z \| a file each \| (1,000 \| .*|not installed: apt-get install curl.*)`)
}

// TestS3Rows runs the smallest benchmark of S3: of servers whose keys are good, whatever
// the environment says.
func TestS3Rows(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of somebody else")
	t.Setenv("AWS_SESSION_TOKEN", "of somebody else")
	text, err := benchmark(t.Context(), t, t.TempDir(), "-quick", "-only", "^(wrk, keep|motefs|rclone).* from (serve --s3|versitygw)$", "-files", "2345", "-repeat", "1")
	const missing = `|not installed: .*)`
	for _, from := range []string{"serve --s3", "versitygw"} {
		wantRows(t, text, err,
			from+` \| wrk, keep-alive \| nothing \| ([\d,]+ \| [\d,]+ \| [\d.]+ \| [\d.]+ MB \| 1.0`+missing,
			from+` \| motefs mirror \| a store \| (2,345 \| .*`+missing,
			from+` \| motefs mirror, not pipelined \| a store \| (2,345 \| .*`+missing,
			from+` \| rclone copy \| a file each \| (2,000 \| .*`+missing)
	}
}

// needFUSE fails a test where nothing can be mounted, unless that is said to be so.
func needFUSE(t *testing.T) {
	t.Helper()
	_, err := os.Stat("/dev/fuse")
	if err != nil && os.Getenv("MOTEFS_TEST_NO_FUSE") != "" {
		t.Skip("MOTEFS_TEST_NO_FUSE is set, and there is no /dev/fuse")
	}
	if err != nil {
		t.Fatal("there is no /dev/fuse; set MOTEFS_TEST_NO_FUSE=1 to go without")
	}
}

// TestMountRows runs the smallest benchmark of mounts there is.
func TestMountRows(t *testing.T) {
	needFUSE(t)
	dir := t.TempDir()
	disk := filesystemType(dir)
	text, err := benchmark(t.Context(), t, dir, "mount", "-quick", "-only", ": (no-op|motefs|the store|"+disk+")",
		"-files", "2345", "-reads", "345", "-repeat", "2", "-keep-caches")
	for _, on := range []string{"no-op go-fuse", "motefs mount", "motefs mount --segments", disk} {
		wantRows(t, text, err,
			`open, read, close \| `+on+` \| 345 of 2,345 \| `+spreads+` µs \([\d,]+/s\) \| `+spreads+` µs \([\d,]+/s\)`,
			`getdents64 \| `+on+` \| 2,345 \| `+spreads+`/s \| `+spreads+`/s`,
			`ls -l \| `+on+` \| 2,345 \| `+spreads+` m?s \| `+spreads+` m?s`,
			`ls -f into head \| `+on+` \| 2,345 \| `+spreads+` m?s \| `+spreads+` m?s`)
	}
	wantRows(t, text, err,
		`ready \| motefs mount \| 2,345 \| `+spreads+` m?s \| `+spreads+` m?s`,
		`memory, mounted \| motefs mount \| 2,345 \| `+spreads+` MB \| –`,
		`memory, after 345 reads \| motefs mount \| 2,345 \| `+spreads+` MB \| `+spreads+` MB`,
		`memory, peak \| motefs mount \| 2,345 \| – \| `+spreads+` MB`,
		`sequential read, 51 MiB \| motefs mount \| 1 \| `+spreads+` MB/s \| `+spreads+` MB/s`,
		`sequential read, 51 MiB \| the store's file itself \| 1 \| `+spreads+` MB/s \| `+spreads+` MB/s`)
}

// TestMountOfAStore measures a store with directories that was there before.
func TestMountOfAStore(t *testing.T) {
	needFUSE(t)
	store := filepath.Join(t.TempDir(), "store")
	source := serve.NewSynthetic(serve.SyntheticOptions{Files: 1000, FilesPerDir: 100})
	origin, err := serve.Open(serve.Options{}, source)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(motefs, "mirror", "--store", store, origin.URL()).CombinedOutput()
	if err := errors.Join(err, origin.Close()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := benchmark(t.Context(), t, t.TempDir(), "mount", "-reads", "50", "-repeat", "1", "-keep-caches", "-store", store)
	wantRows(t, text, err,
		`open, read, close \| motefs mount \| 50 of 1,000 \| [\d,.]+ µs .*`,
		`getdents64 \| motefs mount \| 1,000 \| [\d,]+/s \| [\d,]+/s`,
		`memory, peak \| motefs mount \| 1,000 \| – \| [\d.]+ MB`)
	if out, err := exec.Command(motefs, "verify", "--store", store).CombinedOutput(); err != nil {
		t.Errorf("the store is not as it was: %v\n%s", err, out)
	}
}

// TestMountIsInterrupted cancels while a filesystem is mounted.
func TestMountIsInterrupted(t *testing.T) {
	needFUSE(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if mounted, err := mountedBelow(dir); err != nil || mounted {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := benchmark(ctx, t, dir, "mount", "-only", "getdents64: no-op", "-files", "50000000", "-keep-caches")
	if cancel(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestTablesNameEachRowOnce(t *testing.T) {
	for want, args := range map[int][]string{45: {"-quick"}, 27: {"mount", "-quick"}} {
		o, err := parseOptions(args, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		table, err := (&bench{options: o, dropCaches: true}).table()
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, r := range table.rows {
			seen[r.name] = true
		}
		if len(seen) != want || len(table.rows) != want {
			t.Errorf("%q: %d rows of %d names, not %d", args, len(table.rows), len(seen), want)
		}
	}
}
