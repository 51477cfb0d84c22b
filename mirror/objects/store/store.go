package store

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/objects/bucket"
	"github.com/motefs/motefs/mirror/objects/folder"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/rs/zerolog"
)

// Options say how a store is opened. The zero value works, for reading what is there.
type Options struct {
	// S3 is how a bucket is reached: all but its Bucket, Prefix and Log.
	S3 s3.Options
	// Make has a folder be made where its parent is there.
	Make bool
	// Probe has the store pass objects.Probe, for who writes claims. It asks a few thousand things.
	Probe bool
	// Later has a store that cannot be reached now be opened all the same: what it is asked for
	// is tried again. What does not pass by itself is an error also then.
	Later bool
	// Log hears that the store is away and that it is back. The zero value is silent.
	Log zerolog.Logger
}

// Error says why a store cannot be used.
type Error struct {
	URL string
	Err error
	// Do is what to do about it, empty where nobody knows.
	Do string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("object store %s: %v", e.URL, e.Err)
	if e.Do != "" {
		text += "; " + e.Do
	}
	return text
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ErrURL is a URL that is that of no object store.
var ErrURL = errors.New("not the URL of an object store")

const howURL = "give s3://BUCKET/PREFIX or file:///FOLDER"

const (
	// tellAfter is how long a store may say nothing before the log does.
	tellAfter = 3 * time.Second
	// hangPatience is how long a folder may take to be opened.
	hangPatience = 30 * time.Second
)

// Open opens a store and looks whether it can be used. It waits for one that is busy, not for one
// that cannot be reached; what comes after that is tried again where it may pass. Errors are *Error. One that wraps objects.ErrUnfit says that the store is of no use for
// claims. Close must be called.
func Open(ctx context.Context, raw string, o Options) (*objects.Retrier, error) {
	return openBy(ctx, raw, o, open)
}

func openBy(ctx context.Context, raw string, o Options, open opener) (*objects.Retrier, error) {
	soon := ctx
	if o.Later {
		var stop context.CancelFunc
		soon, stop = context.WithTimeout(ctx, openPatience)
		defer stop()
	}
	// away reports whether an error is no reason not to go on.
	away := func(err error) bool {
		return o.Later && err != nil && ctx.Err() == nil && (mirror.Temporary(err) || soon.Err() != nil)
	}
	if o.Later {
		open = mounted(open)
	}
	quiet := time.AfterFunc(tellAfter, func() { o.Log.Warn().Str("url", raw).Msg("the object store does not answer yet; waiting for it") })
	defer quiet.Stop()
	s, err := openSoon(soon, raw, o, open)
	if away(err) {
		o.Log.Warn().Err(err).Msg("the object store cannot be reached now")
		return objects.Retry(&later{open: func(ctx context.Context) (objects.Store, error) { return open(ctx, raw, o) }}, o.Log), nil
	}
	if err != nil {
		return nil, &Error{raw, err, Advice(err)}
	}
	first := func(objects.Info) bool { return false }
	err = s.List(soon, "", "", first)
	quiet.Stop()
	retrying := objects.Retry(s, o.Log)
	if away(err) {
		o.Log.Warn().Err(err).Msg("the object store cannot be reached now")
		return retrying, nil
	}
	if status, ok := errors.AsType[*mirror.StatusError](err); ok && status.Temporary() {
		err = retrying.List(ctx, "", "", first) // it is there, and busy
	}
	if err == nil && o.Probe {
		err = objects.Probe(ctx, retrying)
	}
	if err != nil {
		return nil, &Error{raw, errors.Join(err, retrying.Close()), Advice(err)}
	}
	return retrying, nil
}

// opener opens what a URL names: open, but for tests.
type opener func(ctx context.Context, raw string, o Options) (objects.Store, error)

// openSoon opens what a filesystem that hangs cannot keep for ever.
func openSoon(ctx context.Context, raw string, o Options, open opener) (objects.Store, error) {
	ctx, stop := context.WithTimeoutCause(ctx, hangPatience, folder.ErrHangs)
	defer stop()
	return open(ctx, raw, o)
}

// open opens what a URL names.
func open(ctx context.Context, raw string, o Options) (objects.Store, error) {
	scheme, rest, found := strings.Cut(raw, "://")
	switch {
	case !found:
		return nil, fmt.Errorf("%w: it has no ://", ErrURL)
	case strings.EqualFold(scheme, "s3"):
		return openBucket(rest, o)
	case strings.EqualFold(scheme, "file"):
		return openFolder(ctx, raw, o)
	}
	return nil, fmt.Errorf("%w: it begins with %.20q", ErrURL, scheme+"://")
}

// mounted opens what has been there before. A folder that is missing or empty is one whose
// filesystem is not mounted yet: away, and to be opened anew once it is, as the other is below it then.
func mounted(open opener) opener {
	return func(ctx context.Context, raw string, o Options) (objects.Store, error) {
		s, err := open(ctx, raw, o)
		if errors.Is(err, iofs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %w", objects.ErrAway, err)
		}
		folder, ok := s.(*folder.Store)
		if err != nil || !ok {
			return s, err
		}
		empty := true
		if err = folder.List(ctx, "", "", func(objects.Info) bool { empty = false; return false }); err == nil && empty {
			err = fmt.Errorf("%w: there is nothing in the folder: its filesystem may not be mounted", objects.ErrAway)
		}
		if err != nil {
			return nil, errors.Join(err, folder.Close())
		}
		return folder, nil
	}
}

func openBucket(rest string, o Options) (objects.Store, error) {
	name, prefix, _ := strings.Cut(rest, "/")
	if name == "" || strings.ContainsAny(name, "@:?#") {
		return nil, fmt.Errorf("%w: %.60q is not the name of a bucket", ErrURL, name)
	}
	o.S3.Bucket, o.S3.Prefix, o.S3.Log = name, "", o.Log
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		o.S3.Prefix = prefix + "/"
	}
	s, err := bucket.New(o.S3)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openFolder(ctx context.Context, raw string, o Options) (objects.Store, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: in the name of a folder %% is %%25, ? %%3F and # %%23", ErrURL)
	case u.Host != "" && u.Host != "localhost":
		return nil, fmt.Errorf("%w: %q stands where no host can, so give three slashes: file:///%s%s", ErrURL, u.Host, u.Host, u.Path)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%w: it has a ? or #, which are %%3F and %%23 in the name of a folder", ErrURL)
	case u.Path == "" || !filepath.IsAbs(u.Path):
		return nil, fmt.Errorf("%w: it has no folder that begins with a slash", ErrURL)
	case filepath.Clean(u.Path) == string(filepath.Separator):
		return nil, fmt.Errorf("%w: it names the root of all files, which is no place for a mirror", ErrURL)
	}
	s, err := folder.OpenContext(ctx, filepath.Clean(u.Path), o.Make)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// inFolder reports whether an error is that of a folder.
func inFolder(err error) bool {
	op, ok := errors.AsType[*objects.OpError](err)
	return ok && op.Dir != ""
}

const rights = "the credentials need s3:ListBucket of the bucket, and s3:GetObject of what is in it; who writes needs s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload too"

// Advice is what to do about an error of a store; empty where nobody knows.
func Advice(err error) string {
	if refusal, ok := errors.AsType[*s3.Refusal](err); ok {
		if refusal.Code == "AccessDenied" {
			return rights
		}
		if refusal.Code == "" && !mirror.Temporary(err) {
			return "that is no answer of S3: check the bucket's name and --segments-endpoint-url"
		}
		return refusal.Advice("--segments-")
	}
	switch {
	case errors.Is(err, ErrURL):
		return howURL
	case errors.Is(err, s3.ErrKeys):
		return "" // who was asked for them says what to do
	case errors.Is(err, objects.ErrUnfit):
		return "use a server that has If-None-Match, as Amazon's, or a folder of a filesystem with hard links"
	case errors.Is(err, iofs.ErrNotExist):
		return "check the path, and that the filesystem is mounted"
	case errors.Is(err, syscall.ENOTDIR):
		return "give a folder"
	case errors.Is(err, iofs.ErrPermission):
		return "this user needs to read the folder, and who writes to write there"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room there"
	case errors.Is(err, syscall.EROFS):
		return "who writes a mirror needs a filesystem that can be written to"
	case errors.Is(err, folder.ErrHangs):
		return "check that the server of that filesystem is up"
	case errors.Is(err, objects.ErrAway) && !inFolder(err):
		return "check the URL, --segments-endpoint-url and --segments-region, and that the server is up"
	}
	return ""
}
