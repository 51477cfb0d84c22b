package s3

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire"
	"github.com/motefs/motefs/mirror/wire/files"
)

// page is what one request for the listing brought.
type page struct {
	objects []mirror.Listed // by names; see Client.name
	first   string          // the first key and the last, without the prefix, left out or not
	last    string
	keys    int      // with those that are left out
	token   string   // for the page that follows; empty where none does
	sorted  bool     // the keys ascend
	size    int      // in memory, in bytes
	odd     []oddKey // left out; a directory marker is nobody's loss
	of      echo     // the request that it answers, as far as it says
}

// oddKey is a key that is left out, and why.
type oddKey struct {
	key string
	why error
}

// echo is what a page repeats of its request.
type echo struct {
	token, after string
	raw          string // after as it stands there
}

// entrySize is what an object of a page takes in memory beside its strings, in bytes.
const entrySize = 56

// arenaSize bounds the strings of a page that share an allocation, in bytes. It is kept
// as long as one of them is.
const arenaSize = 32 << 10

// pageDecoder decodes a page.
type pageDecoder struct {
	scanner
	prefix  string
	page    *page
	encoded bool // keys are percent-encoded
	told    bool // the page says so
	arena   strings.Builder
	scratch [2][]byte
	known   [16]knownTag // by their place in the last object
}

// knownTag is a tag without attributes or a prefix.
type knownTag struct {
	tag
	spelled []byte // all of it
}

var (
	tagContents = []byte("Contents")
	quote       = []byte("&quot;")
)

// decodePage decodes an answer to ListObjectsV2. objects is memory for its own. The
// errors are mirror.ErrListing, or a refusal that came with status 200.
func decodePage(raw []byte, prefix string, objects []mirror.Listed) (*page, error) {
	// Whether keys are encoded is said behind them by some servers.
	for encoded := bytes.Contains(raw, []byte("EncodingType>url<")); ; encoded = !encoded {
		d := &pageDecoder{scanner: scanner{raw}, prefix: prefix, encoded: encoded, page: &page{objects: objects[:0], sorted: true}}
		err := d.document()
		switch {
		case errors.Is(err, errXML):
			return nil, fmt.Errorf("%w: %w at byte %d of %d", mirror.ErrListing, err, len(raw)-len(d.rest), len(raw))
		case err != nil:
			return nil, err
		case d.told == encoded:
			return d.page, nil
		case !encoded:
			return nil, fmt.Errorf("%w: it says twice how its keys are encoded", mirror.ErrListing)
		}
	}
}

func (d *pageDecoder) document() error {
	_, root, err := d.next()
	switch {
	case err != nil:
		return fmt.Errorf("%w: no XML (it begins %.60q)", mirror.ErrListing, d.rest)
	case string(root.name) == "Error" && !root.end:
		r := refusalOf(d.rest, &mirror.StatusError{Code: 200})
		r.status = r.statusOf()
		return r
	case string(root.name) != "ListBucketResult" || root.end:
		return fmt.Errorf("%w: an XML document %.40q instead of a ListBucketResult", mirror.ErrListing, root.name)
	}
	truncated := ""
	for !root.both {
		_, t, err := d.next()
		if err != nil {
			return err
		}
		if t.end {
			if !bytes.Equal(t.name, root.name) {
				return errXML
			}
			break
		}
		if bytes.Equal(t.name, tagContents) {
			if err := d.contents(); err != nil {
				return err
			}
			continue
		}
		switch string(t.name) {
		case "IsTruncated":
			truncated, err = d.text(t)
		case "EncodingType":
			text, err := d.text(t)
			if err != nil {
				return err
			}
			d.told = text == "url"
		case "NextContinuationToken":
			d.page.token, err = d.text(t)
		case "ContinuationToken":
			d.page.of.token, err = d.text(t)
		case "StartAfter":
			d.page.of.raw, err = d.text(t)
			d.page.of.after = d.page.of.raw
			if decoded, ok := unescape(nil, []byte(d.page.of.raw)); ok && d.encoded {
				d.page.of.after = string(decoded)
			}
		default:
			err = d.skipElement(t)
		}
		if err != nil {
			return err
		}
	}
	switch p := d.page; {
	case truncated == "false":
		p.token = ""
	case truncated != "true":
		return fmt.Errorf("%w: it does not say whether there is more (IsTruncated is %.20q)", mirror.ErrListing, truncated)
	case p.token == "":
		return fmt.Errorf("%w: it goes on, but no token says where (a server that knows only version 1 of ListObjects?)", mirror.ErrListing)
	}
	d.page.size = len(d.page.objects)*entrySize + d.page.size
	return nil
}

// contents decodes an object.
func (d *pageDecoder) contents() error {
	o := mirror.Listed{Size: -1}
	key, found := "", false
	for i := 0; ; i++ {
		t, err := d.nextInObject(i)
		if err != nil {
			return err
		}
		if t.end {
			if !bytes.Equal(t.name, tagContents) {
				return errXML
			}
			break
		}
		switch string(t.name) {
		case "Key":
			key, err = d.key(t)
			found = true
		case "Size":
			o.Size, err = d.number(t)
		case "LastModified":
			o.ModTime, err = d.modTime(t)
		case "ETag":
			o.ETag, err = d.etag(t)
		default:
			err = d.skipElement(t)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return errXML
	}
	return d.add(key, o)
}

// nextInObject returns the i-th tag in an object, which mostly is that of the object
// before: that is quick to see.
func (d *pageDecoder) nextInObject(i int) (tag, error) {
	if i >= len(d.known) {
		_, t, err := d.next()
		return t, err
	}
	known := &d.known[i]
	if n := len(known.spelled); n > 0 && bytes.HasPrefix(d.rest, known.spelled) {
		d.rest = d.rest[n:]
		return known.tag, nil
	}
	before := d.rest
	_, t, err := d.next()
	spelled := before[:len(before)-len(d.rest)]
	if plain := len(t.name) + len("<>"); len(spelled) == plain || t.end && len(spelled) == plain+len("/") {
		known.tag, known.spelled = t, spelled
	}
	return t, err
}

// add adds an object to the page, unless it is none.
func (d *pageDecoder) add(key string, o mirror.Listed) error {
	p := d.page
	name, ok := strings.CutPrefix(key, d.prefix)
	if !ok {
		return fmt.Errorf("%w: it has the key %q, which does not begin with %q", mirror.ErrListing, wire.Clip(key), wire.Clip(d.prefix))
	}
	p.keys++
	p.sorted = p.sorted && (p.keys == 1 || p.last < name)
	if p.last = name; p.keys == 1 {
		p.first = name
	}
	switch {
	case o.Size == 0 && (name == "" || name[len(name)-1] == '/'):
		// A directory marker.
	case name == "":
		p.odd = append(p.odd, oddKey{key, errNoName})
	default:
		o.Name = name
		p.objects = append(p.objects, o)
	}
	return nil
}

// errNoName is why an object that has the prefix as its key is left out.
var errNoName = errors.New("the key is the prefix itself, so that there is no name left")

// raw reads the text of an element as it stands.
func (d *pageDecoder) raw(t tag) ([]byte, error) {
	text, err := d.element(t)
	if err != nil || plainText(text) {
		return text, err
	}
	d.scratch[0], err = appendText(d.scratch[0][:0], text)
	return d.scratch[0], err
}

// text reads the text of an element.
func (d *pageDecoder) text(t tag) (string, error) {
	text, err := d.raw(t)
	return string(text), err
}

// key reads a key.
func (d *pageDecoder) key(t tag) (string, error) {
	text, err := d.raw(t)
	if err != nil {
		return "", err
	}
	if d.encoded && (bytes.IndexByte(text, '%') >= 0 || bytes.IndexByte(text, '+') >= 0) {
		var ok bool
		if d.scratch[1], ok = unescape(d.scratch[1][:0], text); !ok {
			return "", errXML
		}
		text = d.scratch[1]
	}
	return d.keep(text), nil
}

// keep makes a string of the page's memory.
func (d *pageDecoder) keep(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if d.arena.Cap()-d.arena.Len() < len(text) {
		d.arena.Reset() // the strings in it keep it
		d.arena.Grow(max(len(text), min(arenaSize, len(d.rest)/2)))
	}
	start := d.arena.Len()
	d.arena.Write(text)
	d.page.size += len(text)
	return d.arena.String()[start:]
}

// number reads a length; -1 where it is none.
func (d *pageDecoder) number(t tag) (int64, error) {
	text, err := d.raw(t)
	if err != nil || len(text) == 0 || len(text) > 18 {
		return -1, err
	}
	n := int64(0)
	for _, c := range text {
		if c-'0' > 9 {
			return -1, nil
		}
		n = n*10 + int64(c-'0')
	}
	return n, nil
}

// modTime reads a date such as 2009-10-12T17:50:30.000Z as seconds since 1970; 0 where it
// is none.
func (d *pageDecoder) modTime(t tag) (int64, error) {
	text, err := d.raw(t)
	if err != nil {
		return 0, err
	}
	return parseTime(text), nil
}

// parseTime reads a date in UTC without an allocation, any other by package time.
func parseTime(text []byte) int64 {
	const form = "0000-00-00T00:00:00"
	n := len(text)
	if n <= len(form) || text[n-1] != 'Z' || text[len(form)] != '.' && text[len(form)] != 'Z' {
		return parseOddTime(text)
	}
	var v [6]int
	field := 0
	for i := range len(form) {
		switch c := text[i]; {
		case form[i] == '0' && c-'0' < 10:
			v[field] = v[field]*10 + int(c-'0')
		case form[i] != '0' && c == form[i]:
			field++
		default:
			return parseOddTime(text)
		}
	}
	if v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 || v[5] > 60 {
		return 0
	}
	return wire.Seconds(v[0], v[1], v[2], v[3], v[4], v[5])
}

func parseOddTime(text []byte) int64 {
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil {
		return 0
	}
	return at.Unix()
}

// etag reads an ETag as a get says it: with its quotes, which some listings leave out.
func (d *pageDecoder) etag(t tag) (string, error) {
	text, err := d.element(t)
	if err != nil || len(text) == 0 {
		return "", err
	}
	if inner, ok := bytes.CutPrefix(text, quote); ok && bytes.HasSuffix(inner, quote) && plainText(inner[:len(inner)-len(quote)]) {
		text = inner[:len(inner)-len(quote)]
	} else {
		if d.scratch[0], err = appendText(d.scratch[0][:0], text); err != nil {
			return "", err
		}
		text = bytes.Trim(d.scratch[0], `"`)
	}
	if len(text) == 0 {
		return "", nil
	}
	var quoted [66]byte
	b := append(quoted[:0], '"')
	b = append(b, text...)
	if b = append(b, '"'); !files.ValidETag(b) {
		return "", nil
	}
	return d.keep(b), nil
}
