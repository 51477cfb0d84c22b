package namelist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/motefs/motefs/mirror"
)

var _ mirror.Lister = (*Lister)(nil)

const (
	// pageBytes is how much text a page has at most.
	pageBytes = 128 << 10
	// maxLine is the longest line that is a name. The store takes names of 16 KiB; a
	// URL has three bytes for one.
	maxLine = 64 << 10
)

// Lister lists a list of names. Its methods may be called from any goroutine.
type Lister struct {
	o     Options
	urls  urls
	pages sync.Pool // *[]byte, of pages that were decoded
	told  told
	// pageBytes and maxLine are the constants, but for tests.
	pageBytes, maxLine int
	// counted is how many names were listed, -1 where that is not from the beginning on.
	counted atomic.Int64
	waiter  *waiter // of what can be read only once, else nil
	mu      struct {
		sync.Mutex
		in     *input // nil where it has to be opened
		at     position
		hash   *xxhash.Digest // of the text up to at
		rest   []byte         // read, and behind at
		failed error          // of what can be read only once
		closed bool
	}
}

// start is the beginning of a list.
func start() position { return position{0, xxhash.New().Sum64()} }

// Open opens a list of names, which Close must be called on. A file that is none, or
// none that can be read, is an error at once; standard input and pipes are not looked at.
func Open(o Options) (*Lister, error) {
	o.EnsureDefaults()
	l := &Lister{o: o, urls: newURLs(o.Files), pageBytes: pageBytes, maxLine: maxLine}
	l.told.log = o.Log
	l.counted.Store(-1)
	if err := l.openLocked(); err != nil {
		l.closeInputLocked()
		return nil, err
	}
	l.waiter = l.mu.in.waiter
	return l, nil
}

// Close closes the list, also while List waits for what a pipe has next.
func (l *Lister) Close() error {
	if l.waiter != nil {
		l.waiter.stop()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	l.closeInputLocked()
	return nil
}

// Once reports whether the list can be read only once, as a pipe.
func (l *Lister) Once() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.failed != nil || l.mu.in != nil && l.mu.in.opened == nil
}

// Counted is how many names of the list were decoded since it was last begun, those left
// out and duplicates included; ok is false where it was not begun at its beginning.
func (l *Lister) Counted() (n int64, ok bool) {
	n = l.counted.Load()
	return n, n >= 0
}

func (l *Lister) openLocked() (err error) {
	l.mu.in, err = openInput(&l.o)
	l.mu.at, l.mu.hash, l.mu.rest = start(), xxhash.New(), nil
	return err
}

func (l *Lister) closeInputLocked() {
	if l.mu.in != nil {
		l.mu.in.Close()
	}
	l.mu.in = nil
}

// List implements mirror.Lister. The errors are those of this package, those of the
// disk, and ctx's.
func (l *Lister) List(ctx context.Context, marker string) (mirror.Page, error) {
	to, err := parseMarker(marker, l.o.Null)
	if err != nil {
		return mirror.Page{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.mu.closed:
		return mirror.Page{}, errClosed
	case l.mu.failed != nil:
		return mirror.Page{}, l.mu.failed
	}
	page, err := l.listLocked(ctx, to)
	if err == nil {
		return page, nil
	}
	if err = l.explainLocked(ctx, err); l.mu.in != nil && l.mu.in.opened == nil {
		l.mu.failed = err // what was read cannot be read again
	} else {
		l.closeInputLocked() // it may be another one by now
	}
	return mirror.Page{}, err
}

// explainLocked says what went wrong, and where.
func (l *Lister) explainLocked(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, mirror.ErrListing) || l.mu.in == nil:
		return err
	}
	where := fmt.Sprintf("%s, behind byte %d of its text", l.o.name(), l.mu.at.offset)
	if l.mu.in.text == nil || l.mu.in.plain {
		return fmt.Errorf("read the list of names: %s: %w", where, err)
	}
	return fmt.Errorf("%w: %s: %w; give a whole one", ErrDamaged, where, err)
}

func (l *Lister) listLocked(ctx context.Context, to position) (mirror.Page, error) {
	if l.mu.in == nil {
		if err := l.openLocked(); err != nil {
			return mirror.Page{}, err
		}
	}
	stop := l.mu.in.until(ctx)
	defer stop()
	if err := l.seekLocked(ctx, to); err != nil {
		return mirror.Page{}, err
	}
	if to == start() {
		l.counted.Store(0)
	}
	return l.pageLocked()
}

// seekLocked goes to a position, and makes sure that the text before it is what it was.
func (l *Lister) seekLocked(ctx context.Context, to position) error {
	if l.mu.in.text == nil {
		if err := l.mu.in.detect(); err != nil {
			return err
		}
	}
	if to == l.mu.at {
		return nil
	}
	l.counted.Store(-1)
	if to.offset < l.mu.at.offset {
		if l.mu.in.opened == nil {
			return fmt.Errorf("%w: %s was read to byte %d, and the listing goes on at byte %d; write it into a file, and give that", ErrOnce, l.o.name(), l.mu.at.offset, to.offset)
		}
		l.closeInputLocked()
		if err := l.openLocked(); err != nil {
			return err
		}
	}
	buf := make([]byte, l.pageBytes)
	for l.mu.at.offset < to.offset {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf = buf[:min(int64(cap(buf)), to.offset-l.mu.at.offset)]
		n, err := l.readLocked(buf)
		l.passLocked(buf[:n])
		switch {
		case errors.Is(err, io.EOF) && l.mu.at.offset < to.offset:
			return l.changed(to, fmt.Sprintf("it ends at byte %d, where %d were read before", l.mu.at.offset, to.offset))
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
	}
	if l.mu.at != to {
		return l.changed(to, fmt.Sprintf("its first %d bytes are not those that were read before", to.offset))
	}
	return nil
}

// changed is the error for a list that is another one before a position.
func (l *Lister) changed(to position, how string) error {
	if l.mu.in.opened == nil {
		how += "; write it into a file and give that, so that it can be listed from its beginning"
	}
	return fmt.Errorf("%w: %s: %s", ErrChanged, l.o.name(), how)
}

// readLocked reads what is behind the position.
func (l *Lister) readLocked(buf []byte) (int, error) {
	if len(l.mu.rest) > 0 {
		n := copy(buf, l.mu.rest)
		l.mu.rest = l.mu.rest[n:]
		return n, nil
	}
	return l.mu.in.text.Read(buf)
}

// passLocked moves the position behind text that was read.
func (l *Lister) passLocked(text []byte) {
	_, _ = l.mu.hash.Write(text) // a hash never fails
	l.mu.at = position{l.mu.at.offset + int64(len(text)), l.mu.hash.Sum64()}
}

// pageLocked reads a page: whole lines, or one that is too long.
func (l *Lister) pageLocked() (mirror.Page, error) {
	first := l.mu.at == start()
	buf, _ := l.pages.Get().(*[]byte)
	if buf == nil {
		fresh := make([]byte, 0, l.pageBytes)
		buf = &fresh
	}
	text := (*buf)[:0]
	last, end := false, 0
	for {
		n, err := l.readLocked(text[len(text):cap(text)])
		from := len(text)
		text = text[:from+n]
		if i := bytes.LastIndexByte(text[from:], l.o.separator()); i >= 0 {
			end = from + i + 1
		}
		if errors.Is(err, io.EOF) {
			last = true
			break
		}
		if err != nil {
			return mirror.Page{}, err
		}
		// Who writes to a pipe may have no more for a while.
		if len(text) == cap(text) || end > 0 && l.mu.in.opened == nil {
			break
		}
	}
	p := &page{l: l, buf: buf}
	switch {
	case last:
		end = len(text)
	case end == 0: // a long line
		p.skips = append(p.skips, skipped{withoutSecrets(text), errLong})
		return l.longLocked(p, text)
	}
	l.mu.rest = slices.Concat(text[end:], l.mu.rest)
	l.passLocked(text[:end])
	text = text[:end]
	if first {
		var err error
		if text, err = l.begin(text); err != nil {
			return mirror.Page{}, err
		}
	}
	p.text = text
	return l.handOutLocked(p, last)
}

// longLocked goes to the end of a line of which text is the beginning.
func (l *Lister) longLocked(p *page, text []byte) (mirror.Page, error) {
	l.passLocked(text)
	for {
		n, err := l.readLocked(text[:cap(text)])
		i := bytes.IndexByte(text[:n], l.o.separator())
		if i >= 0 {
			l.mu.rest = slices.Concat(text[i+1:n], l.mu.rest)
			n = i + 1
		}
		l.passLocked(text[:n])
		last := errors.Is(err, io.EOF) && len(l.mu.rest) == 0
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return mirror.Page{}, err
		case i >= 0 || last:
			return l.handOutLocked(p, last && i < 0)
		}
	}
}

// handOutLocked makes the page one of the listing. The last one is only where all of
// the list was as it should.
func (l *Lister) handOutLocked(p *page, last bool) (mirror.Page, error) {
	if !l.o.Null && bytes.IndexByte(p.text, 0) >= 0 {
		l.told.once("nul", "names of the list have NUL in them; where that is what separates names, give -0")
	}
	next := ""
	if last {
		if err := l.mu.in.unchanged(); err != nil {
			return mirror.Page{}, err
		}
		if n := len(p.text); n > 0 && p.text[n-1] != l.o.separator() {
			l.told.once("end", "the last name of the list has no end behind it, and is taken as it stands; if the list was cut there, give a whole one and --refresh")
		}
		if l.mu.at.offset == 0 {
			l.told.once("empty", "the list of names is empty")
		}
		if l.mu.in.opened != nil {
			l.closeInputLocked() // the next listing opens what is there then
		}
	} else {
		next = l.mu.at.marker(l.o.Null)
	}
	return mirror.Page{Next: next, Size: cap(*p.buf), Decode: p.decode}, nil
}

const utf8BOM = "\xef\xbb\xbf"

// begin looks at the beginning of the text. Names that are separated by NUL may be of
// any bytes; nobody writes them with a mark.
func (l *Lister) begin(text []byte) ([]byte, error) {
	if l.o.Null {
		return text, nil
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if (bytes.HasPrefix(line, []byte("\xff\xfe")) || bytes.HasPrefix(line, []byte("\xfe\xff"))) && bytes.IndexByte(line, 0) >= 0 {
		return nil, fmt.Errorf("%w: %s is in UTF-16; make it UTF-8: iconv -f UTF-16 -t UTF-8", ErrFormat, l.o.name())
	}
	if rest, ok := bytes.CutPrefix(text, []byte(utf8BOM)); ok {
		l.told.once("mark", "the list of names begins with a byte order mark, which is not taken for a part of the first name; write it without one")
		return rest, nil
	}
	return text, nil
}
