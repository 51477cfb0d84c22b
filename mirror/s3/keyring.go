package s3

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	// renewBefore is how long before credentials expire others are asked for.
	renewBefore = 5 * time.Minute
	// renewEvery is how often that is tried, and renewPatience how long it may take.
	renewEvery, renewPatience = time.Minute, time.Minute
)

// ErrKeys says that there are no credentials to sign with.
var ErrKeys = errors.New("S3 credentials")

// Keyring has the keys that requests are signed with, and asks for others before they expire.
// Its methods may be called from any goroutine.
type Keyring struct {
	ask func(ctx context.Context) (Keys, error) // nil: nothing is signed
	now func() time.Time                        // of the server
	log zerolog.Logger

	keys     atomic.Pointer[Keys] // nil before they were asked for, and where none are used
	renewing chan struct{}        // held by who asks for keys
	renewed  time.Time            // when they were asked for last; with renewing
	renewErr error                // of that; with renewing
}

// NewKeyring returns a keyring without keys. ask is Options.Keys, and now the server's time.
func NewKeyring(ask func(ctx context.Context) (Keys, error), now func() time.Time, log zerolog.Logger) *Keyring {
	return &Keyring{ask: ask, now: now, log: log, renewing: make(chan struct{}, 1)}
}

// Load returns the keys of now, nil where there are none yet or none are used.
func (k *Keyring) Load() *Keys { return k.keys.Load() }

// Have has keys be there that do not expire soon.
func (k *Keyring) Have(ctx context.Context) error {
	if k.ask == nil {
		return nil
	}
	keys := k.keys.Load()
	if keys != nil && k.lasts(keys) > renewBefore {
		return nil
	}
	return k.renew(ctx, false)
}

// Renew asks for keys, also where those that there are seem good.
func (k *Keyring) Renew(ctx context.Context) error { return k.renew(ctx, true) }

func (k *Keyring) renew(ctx context.Context, forced bool) error {
	old := k.keys.Load()
	if err := acquire(ctx, k.renewing); err != nil {
		return err
	}
	defer func() { <-k.renewing }()
	now := k.keys.Load()
	if now != old {
		return nil // somebody else has
	}
	usable := now != nil && k.lasts(now) > 0
	if !forced && now != nil && time.Since(k.renewed) < renewEvery {
		if usable {
			return nil
		}
		return k.renewErr
	}
	asking, cancel := context.WithTimeout(ctx, renewPatience)
	defer cancel()
	keys, err := k.ask(asking)
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // of this caller; others may have more luck
	case err == nil && (keys.ID == "" || keys.Secret == ""):
		err = errors.New("they are empty")
	case err == nil && !signable(&keys):
		err = errors.New("they have characters that cannot stand in a header")
	}
	k.renewed = time.Now()
	if k.renewErr = nil; err != nil {
		k.renewErr = fmt.Errorf("%w: %w", ErrKeys, err)
		if usable && !forced {
			k.log.Warn().Err(err).Msg("the S3 credentials expire soon, and no others can be had")
			return nil
		}
		return k.renewErr
	}
	if now == nil || *now != keys {
		k.keys.Store(&keys)
	}
	return nil
}

// lasts is how long keys are good for.
func (k *Keyring) lasts(keys *Keys) time.Duration {
	if keys.Expires.IsZero() {
		return math.MaxInt64
	}
	return keys.Expires.Sub(k.now())
}

// signable reports whether keys can be sent.
func signable(k *Keys) bool {
	return !strings.ContainsFunc(k.ID+k.Token, func(c rune) bool { return c <= ' ' || c >= 0x7f })
}
