package origin

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/wire/files"
)

// entryDecoder decodes the inside of an array of names and of objects that have them,
// which a wordSkimmer went through, in pieces.
type entryDecoder struct {
	nameDecoder
	words *words
	text  strings.Builder // the piece's names and ETags share it, as those of a nameDecoder
}

// next implements decoder.
func (d *entryDecoder) next(dst []mirror.Listed, most int, skip func(name string, err error)) ([]mirror.Listed, error) {
	n := min(most, d.left)
	dst = slices.Grow(dst, n)
	d.text.Reset()
	d.text.Grow(d.room(n))
	for ; n > 0; n-- {
		start := d.s.i
		e, named, err := d.entry()
		value := d.s.b[start:d.s.i]
		d.s.got(',')
		d.left--
		d.bytes -= len(value)
		switch {
		case errors.Is(err, errSurrogate):
			skip(string(bytes.TrimSpace(value)), err)
			continue
		case err != nil:
			return dst, err
		case !named:
			return dst, listingError("an entry without %s: %.100q", d.words.name, value)
		}
		dst = append(dst, e)
	}
	return dst, nil
}

// entry decodes the entry that starts here; named says that it has a name.
func (d *entryDecoder) entry() (e mirror.Listed, named bool, err error) {
	e.Size = -1
	if d.s.peek() != '{' {
		e.Name, named, err = d.name()
		return e, named, err
	}
	err = d.object("", &e, &named)
	return e, named, err
}

func (d *entryDecoder) object(prefix string, e *mirror.Listed, named *bool) error {
	var lone error // the object is decoded to its end all the same
	err := d.s.fields(prefix, func(field []byte) (err error) {
		w := d.words
		switch {
		case string(field) == w.name:
			var has bool
			if e.Name, has, err = d.name(); errors.Is(err, errSurrogate) {
				lone, err = err, nil
			} else if has {
				lone = nil
			}
			*named = *named || has
			return err
		case string(field) == w.size:
			e.Size, err = d.size()
			return err
		case string(field) == w.modTime:
			e.ModTime, err = d.modTime()
			return err
		case string(field) == w.etag:
			e.ETag, err = d.etag()
			return err
		case d.s.peek() == '{' && (leads(field, w.name) || leads(field, w.size) || leads(field, w.modTime) || leads(field, w.etag)):
			return d.object(string(field)+".", e, named)
		}
		_, err = d.s.extent()
		return err
	})
	if err == nil {
		err = lone
	}
	return err
}

// name decodes a name; has is false where it is null.
func (d *entryDecoder) name() (name string, has bool, err error) {
	value, text, err := d.value()
	switch {
	case err != nil:
		return "", false, err
	case text, integer(value):
		return d.keep(value), true, nil
	case string(value) == "null":
		return "", false, nil
	}
	return "", false, listingError("a name that is neither a string nor an integer: %.100q", value)
}

// size decodes a length in bytes, -1 where it is none.
func (d *entryDecoder) size() (int64, error) {
	value, _, err := d.value()
	if err != nil {
		return -1, unlessLone(err)
	}
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && n >= 0 && value[0] != '+' {
		return n, nil
	}
	return -1, nil
}

// milliseconds is the number from which on one counts milliseconds: as seconds it is in
// the year 5138.
const milliseconds = 1e11

// modTime decodes a time into seconds since 1970, 0 where it is none.
func (d *entryDecoder) modTime() (int64, error) {
	value, text, err := d.value()
	if err != nil {
		return 0, unlessLone(err)
	}
	var seconds int64
	if n, err := strconv.ParseFloat(string(value), 64); err == nil {
		if n > milliseconds {
			n /= 1000
		}
		if n > 0 && n <= files.MaxTime {
			seconds = int64(n)
		}
	} else if text {
		t, err := time.Parse(time.RFC3339, string(value))
		if err != nil {
			t, err = http.ParseTime(string(value))
		}
		if err == nil && t.Unix() > 0 && t.Unix() <= files.MaxTime {
			seconds = t.Unix()
		}
	}
	return seconds, nil
}

// etag decodes an ETag as a get would say it. Many listings leave out the quotes that
// are part of it. Where it is wrong all the same, that costs a request in a refresh and
// nothing else.
func (d *entryDecoder) etag() (string, error) {
	value, text, err := d.value()
	if err != nil || !text {
		return "", unlessLone(err)
	}
	if !files.ValidETag(value) && len(value) > 0 {
		value = []byte(`"` + string(value) + `"`)
	}
	if !files.ValidETag(value) {
		return "", nil
	}
	return d.keep(value), nil
}

// value decodes a string, or returns any other value as it stands. It is valid until
// the next one. The error may be errSurrogate, and the value is behind it then.
func (d *entryDecoder) value() (value []byte, text bool, err error) {
	if d.s.peek() != '"' {
		value, err = d.s.extent()
		return bytes.TrimRight(value, " \t\r\n"), false, err
	}
	raw, err := d.s.str()
	if err != nil || clean(raw) {
		return raw, true, err
	}
	d.scratch, err = unquote(d.scratch[:0], raw)
	if err != nil && !errors.Is(err, errSurrogate) {
		err = listingError("%w", err)
	}
	return d.scratch, true, err
}

// unlessLone is err, but that what a listing says of a file in half characters is not said.
func unlessLone(err error) error {
	if errors.Is(err, errSurrogate) {
		return nil
	}
	return err
}

// keep makes a string of bytes.
func (d *entryDecoder) keep(b []byte) string {
	if d.text.Cap()-d.text.Len() < len(b) {
		d.text.Reset() // the strings in it keep it
		d.text.Grow(max(len(b), d.room(max(d.left, 1))))
	}
	start := d.text.Len()
	d.text.Write(b)
	return d.text.String()[start:]
}
