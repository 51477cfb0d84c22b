package cache

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	iofs "io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// formatVersion is the layout that this program writes. Every change of it, also of
	// the database's own, gets a number. oldestVersion is the oldest that it reads: it
	// makes a store of that one of its own when it first writes to it, as nobody wants
	// to mirror for a week again for a few bytes that are new.
	//
	//	3	the first with a FORMAT file
	//	4	what a refresh keeps (the keys m r, o, s and t), marks in the index of
	//		runs, and more in the progress
	formatVersion = 4
	oldestVersion = 3
	formatFile    = "FORMAT"
	// maxFormat bounds the FORMAT file, in bytes.
	maxFormat = 128 << 10
)

// format is the FORMAT file, by which a directory says that it is a store. It is
// read before anything else there is opened, and written before anything else is
// made.
type format struct {
	Store    string   `json:"store"` // always "motefs"
	Version  int      `json:"version"`
	Features []string `json:"features,omitempty"` // what a program has to know besides; see below
	Origin   string   `json:"origin"`
	ID       string   `json:"id"`               // random; the database has it too
	Making   bool     `json:"making,omitempty"` // until the database is there
	// Repairing says, until a repair has come to its end, which kinds of keys have
	// lost some.
	Repairing string `json:"repairing,omitempty"`
}

// featureSegments is that of a store into which segments are brought: its blob files may
// be elsewhere, and nothing may be listed into it. Those without the number are of before 2026-11-30.
const featureSegments = "segments 2"

func newFormat(o *Options) *format {
	f := &format{Store: "motefs", Version: formatVersion, Origin: o.Origin, ID: rand.Text(), Making: true}
	if o.Segments {
		f.Features = []string{featureSegments}
	}
	return f
}

// segments reports whether segments are brought into the store.
func (f *format) segments() bool { return slices.Contains(f.Features, featureSegments) }

// decodeFormat decodes a FORMAT file. Its error is ErrFormat.
func decodeFormat(text []byte) (*format, error) {
	// A later version may have any other fields.
	var head struct {
		Store   string `json:"store"`
		Version int    `json:"version"`
	}
	switch err := json.Unmarshal(text, &head); {
	case err != nil || head.Store != "motefs" || head.Version < 1:
		return nil, saying(ErrFormat, "its %s file is not one of motefs", formatFile)
	case head.Version > formatVersion:
		return nil, saying(ErrNewer, "it was made by a later motefs: it is of version %d, and this program reads %d to %d; use that one, or another --store", head.Version, oldestVersion, formatVersion)
	case head.Version < oldestVersion:
		return nil, saying(ErrFormat, "it is of version %d, and this program reads %d to %d; use the program that wrote it, or another --store", head.Version, oldestVersion, formatVersion)
	}
	f := &format{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil || slices.ContainsFunc(f.Features, func(feature string) bool { return feature != featureSegments }) {
		return nil, saying(ErrNewer, "it was made by a later motefs, and has what this program does not know (features %q); use that one, or another --store", f.Features)
	}
	if f.ID == "" || f.Origin == "" {
		return nil, saying(ErrFormat, "its %s file is damaged", formatFile)
	}
	return f, nil
}

// readFormat reads the FORMAT file of a directory; nil where there is none.
func readFormat(fs vfs.FS, dir string) (*format, error) {
	file, err := fs.Open(fs.PathJoin(dir, formatFile))
	if errors.Is(err, iofs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFormat))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return decodeFormat(text)
}

// write puts the FORMAT file in its place, whole or not at all.
func (f *format) write(fs vfs.FS, dir string) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	at := fs.PathJoin(dir, formatFile)
	file, err := fs.Create(at+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := fs.Rename(at+".tmp", at); err != nil {
		return err
	}
	return syncDir(fs, dir)
}
