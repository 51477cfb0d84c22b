package replica

import (
	"errors"
	"io"
	"sync/atomic"
)

// counters counts what happens.
type counters struct {
	names, contents, blobs, taken atomic.Int64
	retries, failures             atomic.Int64
	downloaded                    written
	away                          atomic.Bool
}

// written counts bytes.
type written struct{ atomic.Int64 }

func (w *written) Write(p []byte) (int, error) {
	w.Add(int64(len(p)))
	return len(p), nil
}

// tapped counts what is read, and keeps the error that it ends with.
type tapped struct {
	from io.Reader
	n    *written
	err  error
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// Status says how a replica is. Sizes are in bytes.
type Status struct {
	// Segments are sealed; of NamesHere the names are in the local store, of ContentsHere all
	// contents.
	Segments, NamesHere, ContentsHere int
	// Files, Dirs and Bytes are those of the sealed segments together, Failed and Gone the files
	// among them that have no content.
	Files, Dirs, Bytes, Failed, Gone uint64
	// Complete says that the mirror will not grow any more.
	Complete bool
	// Away says that the object store did not answer when it was asked last.
	Away bool
	// Taken is what contents and blobs take in the local store, and Bound what they may.
	Taken, Bound int64
	// Names of segments, tables of Contents, and Blobs were brought since the replica was
	// opened, and TakenBack segments taken back; Downloaded is what came for it. Retries are downloads that
	// were tried again, Failures errors that readers got.
	Names, Contents, Blobs, TakenBack, Downloaded, Retries, Failures int64
}

// Status returns how the replica is.
func (r *Replica) Status() Status {
	c, n := r.catalog.Load(), &r.counts
	s := Status{
		Segments: len(c.segs), Complete: c.complete, Away: n.away.Load(), Bound: r.bound.Load(),
		Names: n.names.Load(), Contents: n.contents.Load(), Blobs: n.blobs.Load(), TakenBack: n.taken.Load(),
		Downloaded: n.downloaded.Load(), Retries: n.retries.Load(), Failures: n.failures.Load(),
	}
	for _, g := range c.segs {
		if g.names.Load() {
			s.NamesHere++
		}
		if g.names.Load() && g.here(0) {
			s.ContentsHere++
		}
		s.Files += g.Part.Files
		s.Dirs += g.Part.Dirs
		s.Bytes += g.Counts.Bytes
		s.Failed += g.Counts.Failed
		s.Gone += g.Counts.Gone
		s.Taken += g.local()
	}
	return s
}
