//go:build linux

package fs

import (
	"bytes"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/rs/zerolog"

	"github.com/motefs/motefs/cache"
)

// The names of log fields.
const (
	fieldOp    = "op"
	fieldInode = "inode"
	fieldName  = "name"
	fieldErrno = "errno"
	fieldTotal = "errors"
	fieldPath  = "mountpoint"
	fieldStack = "stack"
)

// A broken disk fails every request of a tree walk; the log gets logBurst lines
// of each level in logPeriod, and Stats the number.
const (
	logBurst  = 10
	logPeriod = 10 * time.Second
)

// sampledLog is log at a bounded rate, each level for itself.
func sampledLog(log zerolog.Logger) zerolog.Logger {
	burst := func() zerolog.Sampler { return &zerolog.BurstSampler{Burst: logBurst, Period: logPeriod} }
	return log.Sample(zerolog.LevelSampler{
		DebugSampler: burst(), WarnSampler: burst(), ErrorSampler: burst(),
	})
}

// fail is the end of every request that ends in an error: the errno, one count
// and at most one line.
func (f *fsys) fail(op operation, ino cache.Inode, name string, err error) fuse.Status {
	errno := errnoOf(err)
	total := f.stats.errors.Add(1)
	f.stats.failed[op][errnoIndex(errno)].Add(1)
	level := zerolog.ErrorLevel
	switch errno {
	case syscall.ETIMEDOUT:
		f.stats.timeouts.Add(1)
		level = zerolog.WarnLevel
	case syscall.EINTR:
		f.stats.interrupts.Add(1)
		level = zerolog.DebugLevel
	case syscall.ENOTCONN, syscall.ENAMETOOLONG, syscall.ENOENT, syscall.ESTALE:
		level = zerolog.DebugLevel
	}
	f.sampled.WithLevel(level).Err(err).Stringer(fieldOp, op).Uint64(fieldInode, uint64(ino)).Str(fieldName, name).
		Str(fieldErrno, errno.Error()).Int64(fieldTotal, total).Msg("request failed")
	return fuse.Status(errno)
}

// badName reports an entry that is left out of a listing.
func (f *fsys) badName(dir cache.Inode, name []byte) {
	f.stats.badNames.Add(1)
	f.sampled.Warn().Stringer(fieldOp, opReadDir).Uint64(fieldInode, uint64(dir)).Bytes(fieldName, name).
		Msg("name left out of its directory: no Linux program can use it")
}

// panicked is go-fuse's PanicHandler: it is called where a handler panicked, with
// that one's stack still below it. The next request meets handlers as before.
func (f *fsys) panicked(value any) fuse.Status {
	total := f.stats.panics.Add(1)
	stack := debug.Stack()
	f.panics.Error().Interface("panic", value).Bytes(fieldStack, stack).Int64("panics", total).
		Msg("handler panicked: this is a bug; the program that asked gets an error, and the mount goes on")
	if f.hooks.Panic != nil {
		f.hooks.Panic(value, stack)
	}
	return fuse.EIO
}

// fuseLog takes what go-fuse prints. It prints little, and nothing that is
// expected but while the mount goes.
type fuseLog struct{ f *fsys }

func (l fuseLog) Write(p []byte) (int, error) {
	level := zerolog.WarnLevel
	if l.f.ctx.Err() != nil {
		level = zerolog.DebugLevel
	}
	l.f.sampled.WithLevel(level).Str("from", "go-fuse").Msg(string(bytes.TrimSpace(p)))
	return len(p), nil
}
