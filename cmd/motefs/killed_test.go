package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/fs/fusetest"
	"github.com/motefs/motefs/fs/fusetest/eventually"
	"github.com/motefs/motefs/fs/fusetest/process"
	"github.com/motefs/motefs/mirror/origin/origintest"
	"github.com/motefs/motefs/mirror/origin/serve"
)

var (
	killedSeed = flag.Uint64("killed.seed", 0, "the seed of TestKilled; 0: a random one")
	kills      = flag.Int("killed.kills", 3, "how many mounts TestKilled kills")
)

// longNames is an origin with one name more on each page, which is too long for a
// mirror.
type longNames struct{ serve.Source }

func (s longNames) Page(marker string, limit int, add func(name []byte)) (string, error) {
	add(bytes.Repeat([]byte("long/"), cache.MaxName))
	return s.Source.Page(marker, limit-1, add)
}

// sumOf finds a count in what verify or mirror say of a store, 0 where there is none.
func sumOf(t *testing.T, text, of string) (n int) {
	t.Helper()
	found := regexp.MustCompile(`([0-9,]+) ` + of).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(strings.ReplaceAll(found[1], ",", ""))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// tables are the store's tables, with their lengths in bytes.
func tables(t *testing.T, store string) map[string]int64 {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(store, "db", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	lengths := map[string]int64{}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil { // it may be gone by now
			lengths[path] = info.Size()
		}
	}
	return lengths
}

// killedReader reads in a mount, again and again: it prints checksums and numbers of some
// of the files that it lists.
const killedReader = `
	cd "$1"
	while :; do
		for d in $(ls -U | shuf -n 2); do
			ls -U "$d" | shuf -n 40 | sed "s|^|$d/|" >"$2"
			xargs -r sha256sum <"$2"
			xargs -r stat -c '%i %n' <"$2"
		done
		[ -n "$d" ] || sleep 0.05
	done`

// killedReads checks what killedReader printed. numbers are those seen until now, with the
// file that each stood for.
func killedReads(t *testing.T, src *serve.Synthetic, out string, numbers map[string]string) (sums int) {
	t.Helper()
	for _, line := range lines(out) {
		word, name, _ := strings.Cut(strings.Replace(line, "  ", " ", 1), " ")
		i, ok := src.Index([]byte(name))
		switch {
		case !ok: // cut short
		case len(word) == 2*sha256.Size:
			if sums++; word != fmt.Sprintf("%x", sha256.Sum256(src.Body(i))) {
				t.Errorf("%s has other bytes", name)
			}
		case numbers[word] != "" && numbers[word] != name:
			t.Errorf("inode %s was %s, and is %s", word, numbers[word], name)
		default:
			numbers[word] = name
		}
	}
	return sums
}

// killedLife is one process of TestKilled: a mirror, or a mount with readers. Once it has
// written something, and a moment longer, it is killed.
type killedLife struct {
	t       *testing.T
	s       *origintest.Server
	src     *serve.Synthetic
	m       *mountedProcess
	numbers map[string]string
	sums    int // by readers
	asked   []askedAt
}

// askedAt is how many files an origin was asked for until then.
type askedAt struct {
	when  time.Time
	files int
}

// look takes note of how many files are asked for now.
func (k *killedLife) look() { k.asked = append(k.asked, askedAt{time.Now(), k.s.Names()}) }

// early is how many were asked for lateLoss before now.
func (k *killedLife) early() (files int) {
	for _, at := range k.asked {
		if time.Since(at.when) > lateLoss {
			files = at.files
		}
	}
	return files
}

// lateLoss is how long before a kill a file may have been asked for that is lost: the five
// seconds that are promised, and one of this test's own.
const lateLoss = 6 * time.Second

// run returns how many files were asked for in time to be on the disk.
func (k *killedLife) run(mounted bool, more time.Duration) (early int) {
	k.t.Helper()
	before := tables(k.t, k.m.store)
	k.s.CountNames()
	k.asked = nil
	var p *process.Process
	var readers []*process.Process
	if mounted {
		p = k.m.again(k.s.URL(), "--prefetch-all").Process
		for range 2 {
			cmd := process.Command("sh", "-c", killedReader, "sh", k.m.dir, filepath.Join(k.t.TempDir(), "names"))
			readers = append(readers, process.Start(k.t, cmd))
		}
		eventually.True(k.t, "files on the disk", func() bool {
			k.look()
			var length int64
			for path, n := range tables(k.t, k.m.store) {
				if _, ok := before[path]; !ok {
					length += n
				}
			}
			return length > 100_000
		})
	} else {
		p = start(k.t, "mirror", "--store", k.m.store, k.s.URL())
		p.Says("mirroring")
	}
	for end := time.Now().Add(more); time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // the moment is what is random
		k.look()
	}
	early = k.early()
	p.Signal(syscall.SIGKILL)
	p.Wait()
	for _, r := range readers {
		r.Kill()
		k.sums += killedReads(k.t, k.src, r.Stdout.String(), k.numbers)
		if strings.Contains(r.Stderr.String(), "No such file") {
			k.t.Errorf("a file that is listed is not there: %s", r.Stderr)
		}
	}
	return early
}

// TestKilled kills a mirror, which may leave an empty store, and then mounts under readers,
// at random moments, and goes on with the store each time. It is sound; no file has other
// bytes, and no number stands for two; what was asked for some seconds before a kill is not
// lost, and at the end nothing is.
func TestKilled(t *testing.T) {
	const page = 200
	need(t, "shuf", "xargs")
	fusetest.Need(t)
	seed := *killedSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	files := 12_000 * (*kills + 1)
	src := serve.NewSynthetic(serve.SyntheticOptions{Files: int64(files), FilesPerDir: 777, LargeEvery: 500, LargeSize: 100_000})
	s := serveTest(t, serve.Options{PageSize: page}, longNames{src})
	s.SetFaults(origintest.Faults{OnList: func(string, int) origintest.Fault { return origintest.Fault{Delay: 100 * time.Millisecond} }})
	life := &killedLife{t: t, s: s, src: src, numbers: map[string]string{}, m: &mountedProcess{t: t, dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}}
	t.Cleanup(life.m.clear)
	fetched, grown, bound := 0, 0, 0
	for kill := range *kills + 1 {
		more := time.Duration(rng.IntN(400)) * time.Millisecond
		if kill%4 == 3 && kill > 3 {
			more += time.Duration(rng.IntN(6000)) * time.Millisecond
		}
		early := life.run(kill > 0, more)
		v := finish(t, exitOK, "verify", "--store", life.m.store).Stdout.String()
		now := sumOf(t, v, "fetched")
		t.Logf("kill %d leaves %d files, %d names left out; %d were asked for in time", kill, now, sumOf(t, v, "names left out"), early)
		if now < fetched+early || now == files {
			t.Errorf("kill %d leaves %d files, after %d, and %d more in time:\n%s", kill, now, fetched, early, v)
		}
		if now > fetched {
			grown++
		}
		if early > 0 {
			bound++
		}
		fetched = now
	}
	t.Logf("seed %d: %d kills, readers compared %d files and %d numbers; in %d kills files had been asked for more than %v before, and all of those were kept", seed, *kills, life.sums, len(life.numbers), bound, lateLoss)
	if grown < *kills/2 || life.sums == 0 || len(life.numbers) == 0 {
		t.Errorf("only %d of %d kills left more than the one before", grown, *kills)
	}
	s.SetFaults(origintest.Faults{})
	finish(t, exitOK, "mirror", "--store", life.m.store, s.URL())
	v := finish(t, exitOK, "verify", "--store", life.m.store).Stdout.String()
	pages := (files + page - 2) / (page - 1)
	if n, left := sumOf(t, v, "fetched"), sumOf(t, v, "names left out"); n != files || left != pages {
		t.Errorf("%d of %d files, %d of %d names left out:\n%s", n, files, left, pages, v)
	}
}
