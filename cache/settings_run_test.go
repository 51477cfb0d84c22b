package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	iofs "io/fs"
	"math/bits"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	settingsPage = 1000 // names in a page
	settingsBody = 100  // bytes in a file
)

// measureStore writes n files into a new store, closes it, opens it again and
// reads some of them.
func measureStore(o Options, n uint64, reads int, shuffled bool) (c cost, err error) {
	c.Files, c.Reads = int(n), int(min(uint64(max(reads, 0)), n))
	start := time.Now()
	if err := writeFiles(o, n, shuffled); err != nil {
		return c, err
	}
	c.Wall = time.Since(start)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return c, err
	}
	c.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	c.Peak = r.Maxrss * 1024
	if c.Disk, err = diskUsage(o.Dir); err != nil {
		return c, err
	}
	c.Read, err = readFiles(o, n, c.Reads)
	return c, err
}

// writeFiles mirrors n files as the engine does it, but for the network and on
// one goroutine.
func writeFiles(o Options, n uint64, shuffled bool) (err error) {
	s, err := Open(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	pl, err := s.NewPlanner()
	if err != nil {
		return err
	}
	order := newScramble(n, 1)
	names := make([]Name, 0, settingsPage)
	files := make([]uint64, 0, settingsPage)
	var text []byte
	for first := uint64(0); first < n; first += settingsPage {
		text, names, files = text[:0], names[:0], files[:0]
		for k := first; k < min(first+settingsPage, n); k++ {
			i := k
			if shuffled {
				i = order.at(k)
			}
			files = append(files, i)
			text = appendFileName(text, i)
		}
		all := string(text) // one allocation for a page's names
		for k := range files {
			names = append(names, Name{Origin: all[k*fileNameLen : (k+1)*fileNameLen], Size: -1})
		}
		marker := strconv.FormatUint(first+settingsPage, 10)
		if err := writePage(s, pl, names, files, Mark{Listing: true, Marker: marker, ListingComplete: first+settingsPage >= n}); err != nil {
			return err
		}
	}
	if p := s.Progress(); p.Fetched != n || !p.Complete() {
		return fmt.Errorf("wrote %d files, the store says %+v", n, p)
	}
	return nil
}

func writePage(s *Store, pl *Planner, names []Name, files []uint64, m Mark) (err error) {
	page, err := pl.Plan(names)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, page.Close()) }()
	if err := page.Load(); err != nil {
		return err
	}
	var body [settingsBody]byte
	for k := range page.Len() {
		if page.Open(k) {
			fillBody(&body, files[k])
			if err := page.Put(k, body[:], 0, nil); err != nil {
				return err
			}
		}
	}
	if err := page.Commit(); err != nil {
		return err
	}
	m.Listed, m.Settled = page.End(), page.End()
	return s.Advance(m)
}

// readFiles opens the store again and reads that many different files.
func readFiles(o Options, n uint64, reads int) (took time.Duration, err error) {
	s, err := Open(o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	pick := newScramble(n, 2)
	var name []byte
	var want [settingsBody]byte
	var got [settingsBody + 1]byte
	start := time.Now()
	for k := range uint64(reads) {
		i := pick.at(k)
		name = appendFileName(name[:0], i)
		e, err := s.Lookup(RootInode, string(name))
		if err != nil {
			return 0, fmt.Errorf("look up %s: %w", name, err)
		}
		l, err := s.ReadAt(e.Inode, got[:], 0)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		if fillBody(&want, i); !bytes.Equal(got[:l], want[:]) {
			return 0, fmt.Errorf("read %s: not what was written", name)
		}
	}
	return time.Since(start), nil
}

// diskUsage is what du says of dir, in bytes.
func diskUsage(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d iofs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum, err
}

// fileNameLen is the length of every file's name, which is that of the
// reference origin: file-000000000123.
const fileNameLen = 5 + 12

func appendFileName(dst []byte, i uint64) []byte {
	dst = append(dst, "file-000000000000"...)
	for at := len(dst) - 1; i > 0; at-- {
		dst[at] = '0' + byte(i%10)
		i /= 10
	}
	return dst
}

// golden is 2⁶⁴ divided by the golden ratio, the step of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// mix is the output function of SplitMix64, a bijection of 64 bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fillBody makes the content of file i: random bytes that start at its index.
func fillBody(body *[settingsBody]byte, i uint64) {
	x := mix(i)
	var word [8]byte
	for at := 0; at < len(body); at += len(word) {
		x += golden
		binary.LittleEndian.PutUint64(word[:], mix(x))
		copy(body[at:], word[:])
	}
}

// scramble is a bijection of [0, n) that needs no memory: steps that are
// bijections of the numbers below the next power of two, again and again until
// the number is below n.
type scramble struct {
	n, mask, seed uint64
	shift         int
}

func newScramble(n, seed uint64) scramble {
	width := bits.Len64(n)
	return scramble{n: n, mask: 1<<width - 1, seed: mix(seed), shift: width/2 + 1}
}

func (s scramble) at(k uint64) uint64 {
	for {
		for round := range uint64(3) {
			k = (k*golden + mix(s.seed+round)) & s.mask
			k ^= k >> s.shift
		}
		if k < s.n {
			return k
		}
	}
}
