package natsbus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/motefs/motefs/mirror/objects"
)

const (
	// ClaimsPrefix begins the names of what Claims puts into the object store. Once a mirror is
	// complete all but claimsID may be deleted.
	ClaimsPrefix = "claims/"
	// claimsID is the object with the id of the bucket.
	claimsID = ClaimsPrefix + "bucket"
	// idKey is the key of the same in the bucket.
	idKey = "bucket"
	// maxClaimsID bounds what is read of it, in bytes.
	maxClaimsID = 64
)

// ErrClaimsLost says that NATS has forgotten who won: its bucket is not the one in which this
// mirror's claims were made. Nobody may win any more.
var ErrClaimsLost = errors.New("NATS has lost the claims of this mirror, by which its object store needs to be helped: make the mirror anew in another place")

// claims is an object store whose Create asks NATS first.
type claims struct {
	objects.Store
	b      *Bus
	bucket jetstream.KeyValue
	id     string
}

// Claimed reports whether the mirror in store is made with Claims.
func Claimed(ctx context.Context, store objects.Store) (bool, error) {
	id, err := (&claims{Store: store}).readID(ctx)
	return id != "", err
}

// Claims returns store with a Create of which one wins, for stores that do not see to that
// themselves. All processes of the mirror have to use it.
//
// A body is put under a name of its own first, and that name is claimed in a bucket of NATS. The
// winner then puts the body where it belongs. Where the winner dies in between, whoever comes next
// does that. The bucket has an id, which stands in the object store too; each claim looks at it
// after it was made. So a bucket that is wiped lets nobody win: Create returns
// ErrClaimsLost.
func (b *Bus) Claims(ctx context.Context, store objects.Store) (objects.Store, error) {
	c := &claims{Store: store, b: b}
	if err := c.open(ctx); err != nil {
		return nil, fmt.Errorf("claims by NATS: %w", err)
	}
	return c, nil
}

// Away is that of the object store, where it knows: since when it gives no answer, and why.
func (c *claims) Away() (since time.Time, why error) {
	if store, ok := c.Store.(interface{ Away() (time.Time, error) }); ok {
		return store.Away()
	}
	return time.Time{}, nil
}

// open finds the bucket, or makes it where there has been none.
func (c *claims) open(ctx context.Context) error {
	known, err := c.readID(ctx)
	if err != nil {
		return err
	}
	err = c.b.try(ctx, "look for the claims", func(ctx context.Context) error {
		var err error
		name := c.b.queue.names.claimBucket()
		c.bucket, err = c.b.js.KeyValue(ctx, name)
		if !errors.Is(err, jetstream.ErrBucketNotFound) {
			return unheard(err)
		}
		if known != "" {
			return backoff.Permanent(ErrClaimsLost)
		}
		return c.b.copies(func(copies int) error {
			c.bucket, err = c.b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, Description: "claims of a motefs mirror", History: 1, Storage: jetstream.FileStorage, Replicas: copies})
			return unheard(err)
		})
	})
	if err != nil {
		return err
	}
	if known == "" {
		if c.id, err = c.first(ctx, idKey, rand.Text()); err != nil {
			return err
		}
		// Another may have written one while this one was looking: then that bucket is gone.
		if known, err = c.readID(ctx); err != nil {
			return err
		}
		if known == "" {
			return c.Put(ctx, claimsID, body(c.id))
		}
	}
	c.id = known
	return c.check(ctx)
}

func body(text string) objects.Body {
	return objects.Body{ReaderAt: strings.NewReader(text), Size: int64(len(text))}
}

// readID returns the id in the object store, empty where there is none.
func (c *claims) readID(ctx context.Context) (string, error) {
	r, _, err := c.Get(ctx, claimsID, 0, -1)
	if errors.Is(err, objects.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(r, maxClaimsID))
	if err := errors.Join(err, r.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", claimsID, err)
	}
	return string(text), nil
}

// Create lets one of all win who create an object of that name.
func (c *claims) Create(ctx context.Context, name string, body objects.Body) error {
	if there, err := c.exists(ctx, name); there || err != nil {
		return errors.Join(err, existing(there, name))
	}
	own := ClaimsPrefix + name + "-" + strings.ToLower(rand.Text())
	if err := c.Put(ctx, own, body); err != nil {
		return err
	}
	winner, err := c.first(ctx, key(name), own)
	if err == nil {
		err = c.check(ctx)
	}
	if err != nil {
		return fmt.Errorf("claim %q by NATS: %w", name, err)
	}
	if winner == own {
		if err := c.Put(ctx, name, body); err != nil {
			return err
		}
	} else if err := c.help(ctx, name, winner); err != nil {
		return err
	}
	return errors.Join(existing(winner != own, name), c.Delete(ctx, own))
}

// existing is ErrExists, or nil.
func existing(there bool, name string) error {
	if !there {
		return nil
	}
	return fmt.Errorf("%q: %w", name, objects.ErrExists)
}

// help puts a winner's body where it belongs, unless it is there.
func (c *claims) help(ctx context.Context, name, winner string) error {
	there, err := c.exists(ctx, name)
	if there || err != nil {
		return err
	}
	r, size, err := c.Get(ctx, winner, 0, 1)
	if errors.Is(err, objects.ErrNotFound) { // the winner, or another, was faster
		if there, err = c.exists(ctx, name); err == nil && !there {
			err = fmt.Errorf("%q was won by %q: neither is there: %w", name, winner, objects.ErrNotFound)
		}
		return err
	}
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	err = c.Put(ctx, name, objects.Body{ReaderAt: &remote{ctx, c.Store, winner, size}, Size: size})
	if errors.Is(err, objects.ErrNotFound) {
		if there, _ := c.exists(ctx, name); there {
			return nil
		}
	}
	return err
}

// remote reads an object in parts.
type remote struct {
	ctx   context.Context // of the Put that reads it
	store objects.Store
	name  string
	size  int64
}

// ReadAt reads a part.
func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	n := min(int64(len(p)), r.size-off)
	if n <= 0 {
		return 0, io.EOF
	}
	body, _, err := r.store.Get(r.ctx, r.name, off, n)
	if err != nil {
		return 0, err
	}
	read, err := io.ReadFull(body, p[:n])
	if err = errors.Join(err, body.Close()); err == nil && n < int64(len(p)) {
		err = io.EOF
	}
	return read, err
}

// exists looks for an object, which is not empty.
func (c *claims) exists(ctx context.Context, name string) (bool, error) {
	r, _, err := c.Get(ctx, name, 0, 1)
	if errors.Is(err, objects.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}

// key is the key of an object: a dot would part subjects, and no name has an =.
func key(name string) string { return strings.ReplaceAll(name, ".", "=") }

// first writes a value where there is none, and returns the one that is there then.
func (c *claims) first(ctx context.Context, key, value string) (winner string, err error) {
	err = c.ask(ctx, "claim", func(ctx context.Context) error {
		_, err := c.bucket.Create(ctx, key, []byte(value))
		winner = value
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return err
		}
		entry, err := c.bucket.Get(ctx, key)
		if err == nil {
			winner = string(entry.Value())
		}
		return err // one that is not found is so on a server that lags behind
	})
	return winner, err
}

// check looks whether the bucket is the one that it was.
func (c *claims) check(ctx context.Context) error {
	return c.ask(ctx, "look at the claims", func(ctx context.Context) error {
		entry, err := c.bucket.Get(ctx, idKey)
		if errors.Is(err, jetstream.ErrKeyNotFound) || err == nil && string(entry.Value()) != c.id {
			return backoff.Permanent(ErrClaimsLost)
		}
		return err
	})
}

// ask calls once until it succeeds, unless the bucket is gone.
func (c *claims) ask(ctx context.Context, what string, once func(context.Context) error) error {
	return c.b.try(ctx, what, func(ctx context.Context) error {
		err := once(ctx)
		if !missing(err) {
			return err
		}
		if _, gone := c.b.js.KeyValue(ctx, c.b.queue.names.claimBucket()); errors.Is(gone, jetstream.ErrBucketNotFound) {
			return backoff.Permanent(ErrClaimsLost)
		}
		return unheard(err)
	})
}

// unheard hides from try that something is missing: claims are not made again.
func unheard(err error) error {
	if missing(err) {
		return fmt.Errorf("%w: %s", errUnheard, err.Error())
	}
	return err
}
