package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/advice"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/namelist"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/replica"
	"github.com/motefs/motefs/mirror/replica/unlisted"
	"github.com/rs/zerolog"
)

// session is an origin, its store and the engine between them.
type session struct {
	id string
	// as is how the origin and the store are named to another command; see sourceFlags.as.
	as     string
	log    zerolog.Logger
	client client
	names  *namelist.Lister // nil where the origin lists
	// filesURL is what the URLs of files begin with.
	filesURL string
	// server is the URL of who is asked; of Amazon's S3 empty.
	server string
	store  *cache.Store
	engine *mirror.Engine
	// replica is what a mirror in segments is read by, in the place of client and engine; nil: the
	// store is filled from the origin.
	replica *replica.Replica
	objects objects.Store // of the replica
	// unlisted are the files that no segment of it has yet; nil: they are not asked for.
	unlisted *unlisted.Files
	made     bool // the store is new
	// status says what the session is doing, to whom is asking: see served.
	status *served
	// monitor shows what the session counts; nil: nobody
	monitor *monitored
	// everyone on this machine may see the files.
	everyone bool
}

// sessionOptions say how a session is opened.
type sessionOptions struct {
	command  string // mount or mirror
	flags    *sourceFlags
	id       string
	as       string // see session
	dir      string
	prefetch bool
	keepOld  bool          // see cache.Options.KeepOld
	grace    time.Duration // how long a store in use is waited for
	events   mirror.Events
	monitor  *monitored                       // nil: none
	everyone bool                             // all users of this machine see the files
	doing    func(format string, args ...any) // says what is about to be done
	log      zerolog.Logger
}

// openSession opens what a mirror needs. An origin that does not answer is an
// error only where the store has nothing to serve yet; where there is no store, none is
// made then.
func openSession(ctx context.Context, o sessionOptions) (_ *session, err error) {
	s := &session{id: o.id, as: o.as, filesURL: o.flags.filesURL(o.id), server: o.flags.server(o.id), monitor: o.monitor, everyone: o.everyone, log: o.log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.client, err = o.flags.client(o.id, cache.DefaultInlineLimit, o.monitor.counts(), o.log); err != nil {
		return nil, err
	}
	if s.names, err = o.flags.openNames(o.id, o.log); err != nil {
		return nil, err
	}
	there, err := cache.Inspect(o.dir, o.id)
	if err != nil {
		return nil, err
	}
	if !there {
		o.doing("asking %s for its first names", o.id)
		if err := s.probe(ctx); err != nil {
			return nil, err
		}
	}
	opts := limited(cache.Options{Dir: o.dir, Origin: o.id, Holder: holder(), Reserve: o.flags.reserved(), KeepOld: o.keepOld, Log: o.log})
	connections := cmp.Or(o.flags.connections, o.flags.s3.connections(o.id), mirror.DefaultConnections)
	if opts.Descriptors < enoughDescriptors {
		connections = min(connections, connectionsWith(opts.Descriptors))
	}
	if s.store, err = o.openStore(ctx, opts); err != nil {
		return nil, err
	}
	if p := s.store.Progress(); there && !p.ListingComplete && p.Files == 0 {
		o.doing("asking %s for its first names", o.id)
		if err := s.probe(ctx); err != nil {
			return nil, err
		}
	}
	s.made = !there
	s.engine, err = mirror.Open(mirror.Options{
		Store: s.store, Lister: s.lister(), Fetcher: s.client,
		Prefetch: o.prefetch, Connections: connections, Outage: o.flags.patience(), MaxGone: mirror.GoneLimit(o.flags.maxGone),
		MaxFile: int64(o.flags.maxFileSize), LimitFiles: o.flags.limitFiles, LimitRate: int64(o.flags.limitRate),
		Events: o.events, Log: o.log,
	})
	if err != nil {
		return nil, err
	}
	s.status = serveStatus(status.Options{
		Command: o.command, Version: version(), Store: s.store, Engine: s.engine, Prefetch: o.prefetch,
		Network: func() (connections, requests int64) {
			n := s.client.Counts()
			return n.Open, n.Requests
		},
	}, o.log)
	s.monitor.attach(s.watched())
	return s, nil
}

// watched is what is shown of the session.
func (s *session) watched() *watched {
	w := &watched{status: s.status.Source, store: s.store, everyone: s.everyone, log: s.log}
	if s.engine != nil {
		w.counts = s.engine.Counts
	}
	return w
}

// lister is who knows the names.
func (s *session) lister() mirror.Lister {
	if s.names != nil {
		return s.names
	}
	return s.client
}

// probeTimeout is how long an origin may take to show that it is there.
const probeTimeout = 10 * time.Second

// probe asks for the listing's first page, or any file, of an origin of which nothing is
// here, so that a wrong URL is an error at once, and neither an empty directory nor a
// store of nothing.
func (s *session) probe(ctx context.Context) error {
	probing, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err := s.reach(probing)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if inner := errors.Unwrap(err); inner != nil && s.names == nil {
		err = inner // that it is the first page goes without saying
	}
	of := s.advice()
	what, do := of.Of(err)
	switch {
	case errors.Is(probing.Err(), context.DeadlineExceeded):
		what = fmt.Sprintf("no answer within %v", probeTimeout)
	case advice.WantsTLS(ctx, s.server, err):
		what, do = "what listens there speaks TLS", "give "+of.URL()+" with https:// in the place of http://"
	case errors.Is(err, mirror.ErrGone) && strings.HasSuffix(s.server, "/list"):
		do = "leave out /list at the end of the URL: that is where the listing is looked for"
	case errors.Is(err, errNoKeys):
		what, do = "no credentials were found", (&s3Flags{}).howKeys()
	}
	verb := "listed"
	if s.names != nil {
		verb = "reached"
	}
	return &originError{err: err, text: fmt.Sprintf("origin %s cannot be %s: %s; %s", s.id, verb,
		cmp.Or(what, err.Error()), cmp.Or(do, "check "+of.URL()+", and that the service is up"))}
}

// advice is what to do where the origin does not do what it should.
func (s *session) advice() advice.Origin {
	return advice.Origin{S3: onS3(s.id), Endpoint: onS3(s.id) && s.server != ""}
}

// originError is an origin that cannot be listed, with a text that says all of it.
type originError struct {
	text string
	err  error
}

func (e *originError) Error() string   { return e.text }
func (e *originError) Unwrap() []error { return []error{errOrigin, e.err} }

// where is the store's directory, and a word where it is new: it tells of a typo.
func (s *session) where() string {
	if s.made {
		return s.store.Dir() + " (a new store)"
	}
	return s.store.Dir()
}

// holder says who holds a store, for whoever finds it locked. It has nothing of the
// command line, in which a --header can be a secret.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	return fmt.Sprintf("motefs, process %d on %s", os.Getpid(), host)
}

// closePatience is how long what waits for room on the store's disk may go on doing
// so once a session is closed.
const closePatience = time.Second

// close ends the engine, then the store that it writes to, then the client. It
// may be called on a session that is open in part. Where the store is broken it
// does not wait for commits that hang: the process is about to end.
func (s *session) close() error {
	var errs []error
	s.monitor.detach()
	if s.status != nil {
		errs = append(errs, s.status.Close())
	}
	if s.engine != nil {
		ended := make(chan error, 1)
		go func() { ended <- s.engine.Close() }()
		// A fetch for a reader may wait for room on the disk, as store.Close would.
		defer time.AfterFunc(closePatience, s.store.GiveUp).Stop()
		select {
		case err := <-ended:
			errs = append(errs, err)
		case <-s.store.Broken():
		}
	}
	if s.unlisted != nil {
		defer time.AfterFunc(closePatience, s.unlisted.GiveUp).Stop()
		errs = append(errs, s.unlisted.Close())
	}
	if s.names != nil {
		errs = append(errs, s.names.Close())
	}
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	switch {
	case s.replica != nil:
		errs = append(errs, s.replica.Close())
	case s.store != nil:
		errs = append(errs, s.store.Close())
	}
	if s.objects != nil {
		errs = append(errs, s.objects.Close())
	}
	return errors.Join(errs...)
}

// run mirrors until everything is here, ctx is done, or the store breaks.
func (s *session) run(ctx context.Context) error {
	if s.replica != nil {
		return s.untilBroken(ctx, func() error { return s.follow(ctx) })
	}
	return s.untilBroken(ctx, func() error { return s.engine.Run(ctx) })
}

// retry asks for the files that failed before, as run does.
func (s *session) retry(ctx context.Context) error {
	return s.untilBroken(ctx, func() error { return s.engine.Retry(ctx) })
}

// untilBroken does what the engine does until ctx is done, and lets go of it where the
// store breaks.
func (s *session) untilBroken(ctx context.Context, do func() error) error {
	defer context.AfterFunc(ctx, s.store.GiveUp)()
	done := make(chan error, 1)
	go func() { done <- do() }() // ends with the engine's Close at the latest
	select {
	case err := <-done:
		return err
	case <-s.store.Broken():
		return s.store.BrokenErr()
	}
}
