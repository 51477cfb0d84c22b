package namelist

import (
	"bytes"
	"strings"
	"sync"

	"github.com/motefs/motefs/mirror"
	"github.com/rs/zerolog"
)

// arenaSize bounds the names that share an allocation, in bytes; a longer one has its
// own. It is kept as long as one of them is. Go's allocator has no larger size class.
const arenaSize = 32 << 10

// page is a page of the list. One goroutine decodes it.
type page struct {
	l     *Lister
	buf   *[]byte // what text stands in, nil once it is given back
	text  []byte  // what is not decoded
	skips []skipped
	url   []byte // scratch
	crlf  bool   // it was told that lines end so
}

// skipped is a line that is left out.
type skipped struct {
	line string
	why  error
}

// decode is a mirror.Page's Decode.
func (p *page) decode(dst []mirror.Listed, most int, skip func(name string, err error)) ([]mirror.Listed, bool, error) {
	for _, s := range p.skips {
		p.skip(s, skip)
	}
	p.skips = nil
	var names strings.Builder
	had := len(dst)
	for len(dst)-had < most && len(p.text) > 0 {
		line := p.line()
		if len(line) == 0 {
			continue
		}
		name, why := p.name(line)
		if why != nil {
			p.skip(skipped{withoutSecrets(line), why}, skip)
			continue
		}
		if names.Cap()-names.Len() < len(name) {
			names.Reset() // the names in it keep it
			names.Grow(max(len(name), min(len(p.text)+len(name), arenaSize)))
		}
		start := names.Len()
		names.Write(name)
		dst = append(dst, mirror.Listed{Name: names.String()[start:], Size: -1})
	}
	p.count(int64(len(dst) - had))
	if len(p.text) == 0 && p.buf != nil {
		p.l.pages.Put(p.buf)
		p.buf, p.text = nil, nil
	}
	return dst, len(p.text) > 0, nil
}

// line takes the next line off the text, without what ends it.
func (p *page) line() []byte {
	line, rest, ended := bytes.Cut(p.text, []byte{p.l.o.separator()})
	p.text = rest
	if p.l.o.Null || !ended {
		return line
	}
	if stripped, ok := bytes.CutSuffix(line, []byte("\r")); ok {
		if p.crlf {
			return stripped
		}
		p.crlf = true
		p.l.told.once("crlf", "lines of the list end in a carriage return and a line feed, and the names in neither; where a name does end in a carriage return, give the names with NUL between them, and -0")
		return stripped
	}
	return line
}

// name is what a line stands for.
func (p *page) name(line []byte) (name []byte, why error) {
	if len(line) > p.l.maxLine {
		return nil, errLong
	}
	if !isURL(line) {
		return line, nil
	}
	p.url, why = p.l.urls.name(p.url[:0], line)
	return p.url, why
}

func (p *page) skip(s skipped, skip func(name string, err error)) {
	p.count(1)
	p.l.told.leftOut(s)
	skip(s.line, s.why)
}

// count counts names, if all are counted.
func (p *page) count(n int64) {
	if p.l.counted.Load() >= 0 {
		p.l.counted.Add(n)
	}
}

// told logs what may be a mistake in a list, each kind of it once.
type told struct {
	log zerolog.Logger
	mu  struct {
		sync.Mutex
		kinds map[string]bool // of a dozen
	}
}

func (t *told) first(kind string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.kinds == nil {
		t.mu.kinds = map[string]bool{}
	}
	was := t.mu.kinds[kind]
	t.mu.kinds[kind] = true
	return !was
}

func (t *told) once(kind, what string) {
	if t.first(kind) {
		t.log.Warn().Msg(what)
	}
}

func (t *told) leftOut(s skipped) {
	if t.first(s.why.Error()) {
		t.log.Warn().Str("line", s.line).Msg("a line of the list is left out, and counted, as others like it: it is " + s.why.Error())
	}
}
