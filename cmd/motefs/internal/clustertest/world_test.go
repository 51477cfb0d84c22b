package clustertest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/cmd/internal/versitygw"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/cluster/natsbus/natstest"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/bucket"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/segments"
)

const (
	// segmentNames is how many names a segment of these tests has, and slots how many a
	// process works at.
	segmentNames, slots = 50, 2
	// patience is how long a test waits for what has to come, on a machine however busy.
	patience = 3 * time.Minute
	bucketIs = "bucket"
)

// haste is by what the program's waits are divided; 1 measures what a kill costs in earnest.
var haste = cmp.Or(os.Getenv("STORM_HASTE"), "4")

// world is what is there beside the processes: it serves one run after the other.
type world struct {
	nats *natstest.Cluster
	dir  string // the bucket's
	s3   *url.URL
	runs int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	top := t.TempDir()
	w := &world{dir: filepath.Join(top, bucketIs)}
	must(t, os.Mkdir(w.dir, 0o755))
	at, stop, err := versitygw.Start(t.Context(), top)
	if errors.Is(err, versitygw.ErrMissing) && os.Getenv("MOTEFS_TEST_NO_S3_PROGRAMS") != "" {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(stop)
	w.s3, err = url.Parse(at)
	must(t, err)
	w.nats = natstest.New(t, 3)
	return w
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// run is one mirror that is made.
type run struct {
	*world
	t       *testing.T
	src     *serve.Synthetic
	origin  *origintest.Server
	prefix  string
	store   objects.Store // past all doors
	members []*member
	// apart has each process reach the origin by a door of its own.
	apart bool
	// files and pages are the gates of the origin: of files, and of the listing's pages from number
	// openPages on.
	files, pages gate
	turned       atomic.Int64 // pages that were asked for, but the first

	watch struct {
		sync.Mutex
		commits int
		last    time.Time     // when the last commit came
		pause   time.Duration // the longest without one, after the first kill
		killed  bool
		// names are the name segments at the last kill of the lister, and relisted how long it took
		// at most until there was one more.
		names    int
		bereft   time.Time // when that was; zero: there is one more
		relisted time.Duration
	}
	kills, sleeps int
}

// member is a process that takes part.
type member struct {
	*process.Process
	door   *door // to the object store
	origin *door // to the origin; nil where that is not apart
	way    *natstest.Way
	dead   bool // it was killed
}

// originHost is what an origin is called that each process reaches by a door of its own, which is a proxy
// for it. Nobody looks the name up.
const originHost = "origin.test"

// begin begins a run of files, each of which takes the origin delay, and a page of names listing.
func (w *world) begin(t *testing.T, files int64, delay, listing time.Duration) *run {
	t.Helper()
	return w.beginOf(t, serve.SyntheticOptions{Files: files, FilesPerDir: 33, LargeEvery: 101, LargeSize: 70_000, Validators: true}, delay, listing)
}

// beginOf is begin of these files.
func (w *world) beginOf(t *testing.T, o serve.SyntheticOptions, delay, listing time.Duration) *run {
	t.Helper()
	w.runs++
	o.Seed = uint64(w.runs)
	r := &run{world: w, t: t, prefix: fmt.Sprintf("run-%d/", w.runs)}
	r.src = serve.NewSynthetic(o)
	r.origin = origintest.New(t, serve.Options{PageSize: 70}, r.src)
	r.takes(delay, listing)
	var err error
	r.store, err = bucket.New(s3.Options{Bucket: bucketIs, Prefix: r.prefix, Endpoint: w.s3.String(), Region: versitygw.Region, Keys: func(context.Context) (s3.Keys, error) {
		return s3.Keys{ID: versitygw.AccessKey, Secret: versitygw.SecretKey}, nil
	}})
	must(t, err)
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { r.look(ended) })
	t.Cleanup(func() {
		r.goOn()
		close(ended)
		wg.Wait()
		r.store.Close()
		if t.Failed() {
			for i, m := range r.members {
				t.Logf("process %d (pid %d, killed %v):\n%s%s", i, m.Pid(), m.dead, m.Stdout, m.Stderr)
			}
		}
		if err := os.RemoveAll(filepath.Join(w.dir, r.prefix)); err != nil {
			t.Error(err)
		}
	})
	return r
}

// segments is how many segments the listing makes at least.
func (r *run) segments() int { return int(r.src.Len()+segmentNames-1) / segmentNames }

// count is how many objects of a kind there are, by the S3 server's disk.
func (r *run) count(kind string) int {
	all, err := os.ReadDir(filepath.Join(r.dir, r.prefix, kind))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Error(err)
	}
	return len(all)
}

// exists reports whether there is an object of that name, by the same.
func (r *run) exists(name string) bool {
	_, err := os.Stat(filepath.Join(r.dir, r.prefix, name))
	return err == nil
}

// look follows the commits, for how long none comes.
func (r *run) look(ended <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		n, now := r.count(segments.CommitsPrefix), time.Now()
		r.watch.Lock()
		if n != r.watch.commits {
			if !r.watch.last.IsZero() && r.watch.killed {
				r.watch.pause = max(r.watch.pause, now.Sub(r.watch.last))
			}
			r.watch.commits, r.watch.last = n, now
		}
		if !r.watch.bereft.IsZero() && r.count(segments.NamesPrefix) > r.watch.names {
			r.watch.relisted = max(r.watch.relisted, now.Sub(r.watch.bereft))
			r.watch.bereft = time.Time{}
		}
		r.watch.Unlock()
	}
}

// killLister kills the process that has the lease.
func (r *run) killLister(m *member) {
	r.kill(m)
	r.watch.Lock()
	defer r.watch.Unlock()
	r.watch.names, r.watch.bereft = r.count(segments.NamesPrefix), time.Now()
}

// relisted is how long it took at most until another listed on, 0 where the listing was complete.
func (r *run) relisted() time.Duration {
	r.watch.Lock()
	defer r.watch.Unlock()
	return r.watch.relisted.Round(10 * time.Millisecond)
}

// pause is the longest time without a commit after the first kill.
func (r *run) pause() time.Duration {
	r.watch.Lock()
	defer r.watch.Unlock()
	return r.watch.pause.Round(10 * time.Millisecond)
}

// join starts a process more, with more flags.
func (r *run) join(more ...string) *member {
	r.t.Helper()
	m := &member{door: openDoor(r.t, r.s3), way: r.nats.Way(r.t)}
	return r.start(m, append([]string{"--cluster", m.way.URL()}, more...)...)
}

// start starts a member, whose doors are open.
func (r *run) start(m *member, more ...string) *member {
	r.t.Helper()
	endpoint := r.s3.String()
	if m.door != nil {
		endpoint = m.door.url
	}
	cmd := r.command(endpoint, more...)
	if r.apart {
		to, err := url.Parse(r.origin.URL())
		must(r.t, err)
		m.origin = openDoor(r.t, to)
		cmd.Env = append(cmd.Env, "HTTP_PROXY="+m.origin.url)
	}
	m.Process = process.Start(r.t, cmd)
	r.members = append(r.members, m)
	return m
}

// originURL is what the processes are told that the origin is.
func (r *run) originURL() string {
	if !r.apart {
		return r.origin.URL()
	}
	to, err := url.Parse(r.origin.URL())
	must(r.t, err)
	to.Host = originHost
	return to.String()
}

// command is the program that mirrors.
func (r *run) command(endpoint string, more ...string) *exec.Cmd {
	args := append([]string{
		"mirror", "--config", os.DevNull, "--store", r.t.TempDir(), "--segments", r.url(),
		"--segments-endpoint-url", endpoint, "--segments-region", versitygw.Region, "--segments-path-style", "on",
		"--segment-names", fmt.Sprint(segmentNames), "--cluster-haste", haste, "--connections", "8", "--progress", "none", "--log-level", "debug",
	}, more...)
	return program(append(args, r.originURL())...)
}

// url names the mirror.
func (r *run) url() string { return "s3://" + bucketIs + "/" + strings.TrimSuffix(r.prefix, "/") }

// program is the program with S3's keys.
func program(args ...string) *exec.Cmd {
	cmd := process.Command(binary, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "AWS_") || strings.HasPrefix(e, "MOTEFS_") || strings.HasSuffix(strings.ToUpper(strings.Split(e, "=")[0]), "_PROXY")
	})
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID="+versitygw.AccessKey, "AWS_SECRET_ACCESS_KEY="+versitygw.SecretKey, "AWS_EC2_METADATA_DISABLED=true", "GORACE=atexit_sleep_ms=0 halt_on_error=1")
	return cmd
}

// kill ends a process as kill -9 does.
func (r *run) kill(m *member) {
	r.watch.Lock()
	if !r.watch.killed {
		r.watch.killed, r.watch.last = true, time.Now()
	}
	r.watch.Unlock()
	r.kills++
	m.dead = true
	m.Kill()
}

// live are the processes that were not killed and have not ended.
func (r *run) live() (all []*member) {
	for _, m := range r.members {
		if !m.dead && !m.Ended() {
			all = append(all, m)
		}
	}
	return all
}

// until waits until cond holds.
func (r *run) until(what string, cond func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			for _, m := range r.live() {
				_ = m.Cmd.Process.Signal(syscall.SIGQUIT) // it says where its goroutines are
			}
			time.Sleep(time.Second)
			r.t.Fatalf("waited in vain for %s: %d name segments, %d commits, %d manifests", what, r.count(segments.NamesPrefix), r.count(segments.CommitsPrefix), r.count(segments.ManifestsPrefix))
		}
	}
}

// committed waits until so many segments are.
func (r *run) committed(n int) {
	r.t.Helper()
	r.until(fmt.Sprint(n, " commits"), func() bool { return r.count(segments.CommitsPrefix) >= n || len(r.live()) == 0 })
}

// begun waits until all that live have begun. One to which the object store, of which it makes sure first, is
// not there ends at once, and is to.
func (r *run) begun() {
	r.t.Helper()
	r.until("all to begin", func() bool {
		return !slices.ContainsFunc(r.live(), func(m *member) bool {
			return !strings.Contains(m.Stdout.String()+m.Stderr.String(), "motefs: mirroring ")
		})
	})
}

// lister is the process that has the lease, and nil where that is none of those that live.
func (r *run) lister() *member {
	of, err := segments.Open(r.t.Context(), r.store, "", time.Time{})
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Second)
	defer cancel()
	lease, err := r.nats.JetStream().KeyValue(ctx, "motefs_lease_"+of.ID)
	if err != nil {
		return nil
	}
	entry, err := lease.Get(ctx, "lister")
	var record struct{ Holder string }
	if err != nil || json.Unmarshal(entry.Value(), &record) != nil {
		return nil
	}
	for _, m := range r.live() {
		if strings.Contains(record.Holder, fmt.Sprintf("-%d-", m.Pid())) {
			return m
		}
	}
	return nil
}

// awaitLister waits until one of those that live lists.
func (r *run) awaitLister() (m *member) {
	r.t.Helper()
	r.until("a lister", func() bool { m = r.lister(); return m != nil || len(r.live()) == 0 })
	return m
}

// finish waits for the end of all that live, which is to be a good one.
func (r *run) finish() {
	r.t.Helper()
	r.until("the end of all processes", func() bool { return len(r.live()) == 0 })
	for _, m := range r.members {
		if m.dead {
			continue
		}
		if status := m.Cmd.ProcessState.ExitCode(); status != 0 {
			r.t.Errorf("pid %d exits with %d", m.Pid(), status)
		}
	}
}

// stream is that of the run's items.
func (r *run) stream() string {
	r.t.Helper()
	of, err := segments.Open(r.t.Context(), r.store, "", time.Time{})
	must(r.t, err)
	return "motefs_" + of.ID
}
