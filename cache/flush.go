package cache

import (
	"context"
	"fmt"
	"runtime/pprof"
	"time"
)

func (s *Store) startFlusher() {
	if s.opts.FlushEvery < 0 || s.readOnly != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.wg.Go(func() {
		pprof.Do(ctx, pprof.Labels("motefs", "store-flush"), s.flushLoop)
	})
}

func (s *Store) flushLoop(ctx context.Context) {
	tick := time.NewTicker(s.opts.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.broken.ch:
			return
		case <-tick.C:
			if s.unmerged.Load() && s.db.Metrics().Levels[0].Sublevels >= stuckTables {
				s.stuck.Store(true)
			}
			if err := s.Flush(ctx); err != nil && ctx.Err() == nil && !NoRoom(err) {
				s.fail(err)
			}
		}
	}
}

// Flush makes everything that was committed before the call survive a crash of
// the process or the machine. It returns a *NoRoomError where the disk does not take
// it now; what was committed is then written once it does.
func (s *Store) Flush(ctx context.Context) error {
	if err := s.BrokenErr(); err != nil {
		return err
	}
	commits, watermark := s.commits.Load(), s.numbers.written.Load()
	if s.readOnly != nil {
		return nil // there are none
	}
	if s.flushed.Load() >= commits {
		return nil
	}
	err := s.flush(ctx)
	if err == nil {
		s.numbers.flushed(watermark)
		s.flushed.Store(commits)
	}
	return err
}

func (s *Store) flush(ctx context.Context) error {
	done, err := s.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush store %s: %w", s.opts.Dir, err)
	}
	look := time.NewTicker(s.opts.pause)
	defer look.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-look.C:
			if s.room.waiting.Load() > 0 {
				return s.room.check()
			}
		case <-s.broken.ch:
			return s.broken.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// fail records that the store cannot be written any more.
func (s *Store) fail(err error) {
	s.broken.Do(func() {
		s.broken.err = fmt.Errorf("store %s: %w", s.opts.Dir, err)
		close(s.broken.ch)
	})
}

// Broken is closed once the store cannot be written any more, say because its
// disk fails; BrokenErr then says why. Commits may hang from then on. What was flushed
// is safe, and what is here can still be read.
func (s *Store) Broken() <-chan struct{} { return s.broken.ch }

// BrokenErr is the error behind Broken, nil while the store works.
func (s *Store) BrokenErr() error {
	select {
	case <-s.broken.ch:
		return s.broken.err
	default:
		return nil
	}
}
