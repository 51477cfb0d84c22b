package objects

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// probeRacers create one object at once, probeRounds times. A gateway that loses such a race
	// once in two of 200 rounds of 64 was seen; one that ignores the condition is found
	// in the first.
	probeRacers, probeRounds = 64, 16
	// probePatience is how long removing what a probe wrote may take, and probeLeave how long where the
	// probe was stopped: who did that waits.
	probePatience, probeLeave = 30 * time.Second, 3 * time.Second
	// probeStale is how much older than a probe, by the store's clock, one is whose process was
	// killed; probeLeft bounds how many objects of such a probe removes.
	probeStale = time.Hour
	probeLeft  = 1000

	probePrefix = "probe/"
)

// Probe tries out whether a store does what this package promises: that of many who create one
// object one wins, and that the others' methods see what was written. The error is ErrUnfit where
// it does not, else that of the store. It writes a few objects below "probe/", and removes
// them; a store that tries once only (see Retry) may have one left. What a process that was killed
// has left there is removed by a probe an hour later.
func Probe(ctx context.Context, s Store) (err error) {
	dir := probePrefix + strings.ToLower(rand.Text())
	defer func() {
		patience := probePatience
		if ctx.Err() != nil {
			patience = probeLeave
		}
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		if left := removeProbes(clean, s, dir+"/"); left != nil {
			err = errors.Join(err, fmt.Errorf("remove what the probe wrote: %w", left))
		}
	}()
	if err := probeTwice(ctx, s, dir+"/twice"); err != nil {
		return err
	}
	for round := range probeRounds {
		if err := probeRace(ctx, s, fmt.Sprintf("%s/race/%02d", dir, round)); err != nil {
			return err
		}
	}
	return probeReads(ctx, s, dir+"/race/")
}

// probeTwice creates an object a second time.
func probeTwice(ctx context.Context, s Store, name string) error {
	if _, _, err := Claim(ctx, s, name, BytesBody([]byte("first"))); err != nil {
		return fmt.Errorf("create an object: %w", err)
	}
	switch err := s.Create(ctx, name, BytesBody([]byte("second"))); {
	case err == nil:
		return fmt.Errorf("%w: it creates an object that exists, and so ignores that it should not (If-None-Match, of S3)", ErrUnfit)
	case !errors.Is(err, ErrExists):
		return fmt.Errorf("create an object that exists: %w", err)
	}
	return probeText(ctx, s, name, "first", "it says that an object exists, and writes it")
}

// probeRace has many claim one name.
func probeRace(ctx context.Context, s Store, name string) error {
	var wg sync.WaitGroup
	won, errs := make([]bool, probeRacers), make([]error, probeRacers)
	start := make(chan struct{})
	for i := range probeRacers {
		wg.Go(func() {
			<-start
			won[i], _, errs[i] = Claim(ctx, s, name, BytesBody(racer(i)))
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(slices.DeleteFunc(errs, func(err error) bool { return err == nil })...); err != nil {
		return fmt.Errorf("%d create one object: %w", probeRacers, err)
	}
	winners := 0
	winner := -1
	for i := range won {
		if won[i] {
			winner = i
			winners++
		}
	}
	if winners != 1 {
		return fmt.Errorf("%w: of %d who created one object at once, %d were told that they did", ErrUnfit, probeRacers, winners)
	}
	return probeText(ctx, s, name, string(racer(winner)), "who was told that it created an object did not")
}

func racer(i int) []byte { return fmt.Appendf(nil, "racer %02d", i) }

// probeText looks whether an object has that text.
func probeText(ctx context.Context, s Store, name, want, why string) error {
	r, size, err := s.Get(ctx, name, 0, -1)
	if err != nil {
		return fmt.Errorf("read what was created: %w", err)
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, WinnerBytes))
	if err != nil {
		return fmt.Errorf("read what was created: %w", err)
	}
	if string(text) != want || size != int64(len(want)) {
		return fmt.Errorf("%w: %s: it has %.40q of %d bytes, not %q", ErrUnfit, why, text, size, want)
	}
	return nil
}

// probeReads looks at the objects of the races: listed in order, read in part, and deleted.
func probeReads(ctx context.Context, s Store, prefix string) error {
	list := func(after string) (found []string, err error) {
		err = s.List(ctx, prefix, after, func(i Info) bool {
			found = append(found, i.Name)
			return len(found) <= probeRounds
		})
		return found, err
	}
	var want []string
	for i := range probeRounds {
		want = append(want, fmt.Sprintf("%s%02d", prefix, i))
	}
	for from := range want {
		after := ""
		if from > 0 {
			after = want[from-1]
		}
		found, err := list(after)
		if err != nil {
			return fmt.Errorf("list what was created: %w", err)
		}
		if !slices.Equal(found, want[from:]) {
			return fmt.Errorf("%w: it lists %q after %q, not %q", ErrUnfit, found, after, want[from:])
		}
	}
	r, size, err := s.Get(ctx, want[0], 2, 3)
	if err != nil {
		return fmt.Errorf("read a part of an object: %w", err)
	}
	text, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("read a part of an object: %w", err)
	}
	if !bytes.Equal(text, []byte("cer")) || size != int64(len(racer(0))) {
		return fmt.Errorf("%w: it gives %.40q of %d bytes for a part of an object, not %q", ErrUnfit, text, size, "cer")
	}
	if err := s.Delete(ctx, want[0]); err != nil {
		return fmt.Errorf("delete an object: %w", err)
	}
	if r, _, err := s.Get(ctx, want[0], 0, -1); err == nil {
		r.Close()
		return fmt.Errorf("%w: it still gives an object that was deleted", ErrUnfit)
	} else if !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("read what was deleted: %w", err)
	}
	found, err := list("")
	if err != nil {
		return fmt.Errorf("list what is left: %w", err)
	}
	if !slices.Equal(found, want[1:]) {
		return fmt.Errorf("%w: it lists %q after an object was deleted, not %q", ErrUnfit, found, want[1:])
	}
	return nil
}

// removeProbes removes what this probe wrote below own, and what those have left that were killed.
func removeProbes(ctx context.Context, s Store, own string) error {
	var names []string
	var now time.Time // by the store's clock
	err := s.List(ctx, own, "", func(i Info) bool {
		names = append(names, i.Name)
		if i.ModTime.After(now) {
			now = i.ModTime
		}
		return true
	})
	most := len(names) + probeLeft
	err = errors.Join(err, s.List(ctx, probePrefix, "", func(i Info) bool {
		if !strings.HasPrefix(i.Name, own) && now.Sub(i.ModTime) >= probeStale {
			names = append(names, i.Name)
		}
		return len(names) < most
	}))
	for _, name := range names {
		err = errors.Join(err, s.Delete(ctx, name))
	}
	return err
}
