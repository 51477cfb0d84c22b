package main

import (
	"context"
	"errors"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/rs/zerolog"
)

// served is the status of what this process does with a store, with the socket on which it
// can be asked for.
type served struct {
	*status.Source
	prefetch bool
	server   *status.Server // nil: the socket could not be made
}

// serveStatus begins to serve the status of a store that is open. Without a socket, as on a
// disk that is full or can only be read, all else goes on.
func serveStatus(o status.Options, log zerolog.Logger) *served {
	s := &served{Source: status.New(o), prefetch: o.Prefetch}
	var err error
	if s.server, err = status.Serve(o.Store.Dir(), s.Source); err != nil {
		level := zerolog.WarnLevel
		if cache.NoRoom(err) { // the store says so itself
			level = zerolog.DebugLevel
		}
		log.WithLevel(level).Err(err).Msg("motefs status cannot ask this process")
	}
	return s
}

// Close ends both.
func (s *served) Close() error {
	var err error
	if s.server != nil {
		err = s.server.Close()
	}
	return errors.Join(err, s.Source.Close())
}

// begin notes that a run begins.
func (s *served) begin() {
	if s.prefetch {
		s.Set(status.Mirroring)
	} else {
		s.Set(status.Listing)
	}
}

// ended notes how a run or a refresh ended, and what is left to do.
func (s *served) ended(err error, p cache.Progress) {
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		s.Fail(err)
	case p.Complete():
		s.Set(status.Complete) // also where a refresh was interrupted
	case err != nil:
		s.Set(status.Stopped)
	case s.prefetch && p.ListingComplete && p.Fetched+p.Gone+p.Failed == p.Files:
		s.Set(status.Ended)
	case s.prefetch:
		s.Set(status.Stopped)
	default:
		s.Set(status.Serving)
	}
}
