package namelist

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// readAhead is what is read of a compressed list at a time, in bytes.
	readAhead = 64 << 10
	// zstdWindow bounds the memory of a Zstandard stream, in bytes: as much as zstd
	// --long=27 writes and zstd reads without being told.
	zstdWindow = 128 << 20
)

// input is a list that is open.
type input struct {
	name string
	file *os.File
	// opened is what the file was when it was opened, nil where it is none and can be
	// read only once.
	opened os.FileInfo
	waiter *waiter   // of what can be read only once
	text   io.Reader // nil until the first bytes have shown how it is compressed
	plain  bool      // it is not
	end    func()    // of the decompression
	owned  bool      // file is to be closed
	close  sync.Once
}

// openInput opens the list. A pipe is opened without waiting for who writes to it.
func openInput(o *Options) (*input, error) {
	in := &input{name: o.name(), file: o.Stdin, end: func() {}}
	if o.Path != "-" {
		var err error
		if in.file, err = os.OpenFile(o.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
			return nil, err
		}
		in.owned = true
		info, err := in.file.Stat()
		if err == nil && info.IsDir() {
			err = fmt.Errorf("%w: %s is a directory", ErrFormat, o.Path)
		}
		if err != nil {
			in.file.Close()
			return nil, err
		}
		if info.Mode().IsRegular() {
			in.opened = info
			return in, in.detect()
		}
	}
	var err error
	in.waiter, err = newWaiter(in.file)
	return in, err
}

// Close lets go of the list. What is standard input stays open.
func (in *input) Close() {
	in.close.Do(func() {
		in.end()
		if in.waiter != nil {
			in.waiter.Close()
		}
		if in.owned {
			in.file.Close()
		}
	})
}

// Read reads the file itself.
func (in *input) Read(p []byte) (int, error) {
	if in.waiter != nil {
		if err := in.waiter.wait(); err != nil {
			return 0, err
		}
	}
	return in.file.Read(p)
}

// until has reads end with ctx, where they could wait. What was cut off so cannot be
// read any more.
func (in *input) until(ctx context.Context) (stop func() bool) {
	if in.waiter == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, in.waiter.stop)
}

// formats are how a list may begin if it is not plain.
var formats = []struct{ begins, is string }{
	{"\x1f\x8b", "gzip"},
	{"\x28\xb5\x2f\xfd", "zstd"},
	{"\x50\x2a\x4d\x18", "zstd"}, // a frame to be skipped, as pzstd writes it first
	{"BZh", "bzip2"},
	{"\xfd7zXZ\x00", "xz"},
	{"PK\x03\x04", "zip"},
}

// detect finds out by its first bytes how the list is compressed.
func (in *input) detect() error {
	r := bufio.NewReaderSize(in, readAhead)
	begins, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	format := ""
	for _, f := range formats {
		if bytes.HasPrefix(begins, []byte(f.begins)) {
			format = f.is
			break
		}
	}
	switch format {
	case "gzip":
		z, err := gzip.NewReader(r) // all its members
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, in.name, err)
		}
		in.text = z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDamaged, in.name, err)
		}
		in.text, in.end = z, z.Close
	case "":
		if suffix := strings.ToLower(filepath.Ext(in.name)); len(begins) == 0 && (suffix == ".gz" || suffix == ".zst") {
			return fmt.Errorf("%w: %s is empty, and so no %s file", ErrDamaged, in.name, suffix)
		}
		in.text, in.plain = r, true
	default:
		return fmt.Errorf("%w: %s is a %s file; give its text, as in: … | motefs mirror --names - ORIGIN", ErrFormat, in.name, format)
	}
	return nil
}

// unchanged is an error where the file is not what it was when it was opened.
func (in *input) unchanged() error {
	if in.opened == nil {
		return nil
	}
	now, err := in.file.Stat()
	if err == nil && now.Size() == in.opened.Size() && now.ModTime().Equal(in.opened.ModTime()) {
		if now, err = os.Stat(in.name); err == nil && os.SameFile(now, in.opened) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("%w while it was read: %w", ErrChanged, err)
	}
	return fmt.Errorf("%w while it was read: %s; give one that stays as it is", ErrChanged, in.name)
}
