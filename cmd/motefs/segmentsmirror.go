package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/motefs/motefs/cache"
	"github.com/motefs/motefs/cmd/motefs/internal/status"
	"github.com/motefs/motefs/cmd/motefs/internal/workdir"
	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/cluster"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/namelist"
	"github.com/motefs/motefs/mirror/objects"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
)

// segmentsMirror is a process that takes part in a mirror in segments.
type segmentsMirror struct {
	id      string // of the origin
	url     string // of the mirror
	of      *segmentsFlags
	shared  bool // with others
	client  client
	names   *namelist.Lister // nil where the origin lists
	objects objects.Store
	bus     cluster.Bus
	helper  *natsbus.Bus    // by which claims are made that the object store cannot; nil: it can
	server  *natsbus.Server // nil: there is none in this process
	dir     *workdir.Dir
	process *cluster.Process
	far     *segmentsProgress // how far all are
	status  *status.Source
	monitor *monitored // nil: none shows what it does
}

// mirrorSegments mirrors into an object store, alone or with others.
func (a *app) mirrorSegments(ctx context.Context, f *mirrorFlags, raw string) (err error) {
	id, store, err := f.target(raw)
	if err != nil {
		return err
	}
	on, log, err := a.openScreen()
	if err != nil {
		return err
	}
	monitor, err := a.startMonitor(&f.monitor, log)
	if err != nil {
		return err
	}
	if err := monitor.writeTextfile(&f.monitor, id, f.segments.shown(), log); err != nil {
		return errors.Join(err, monitor.Close())
	}
	defer func() { err = errors.Join(err, monitor.ended(err), monitor.Close()) }()
	defer a.tellStopping(ctx, log)()
	m, err := a.openSegmentsMirror(ctx, f, id, filepath.Join(filepath.Dir(store), "segments"), monitor, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	line := fmt.Sprintf("mirroring %s into %s%s", id, m.url, f.cluster.with())
	if err := a.serves(line); err != nil {
		return err
	}
	defer a.notify.Start(m.statusLine, m.alive)()
	a.tell("%s", line)
	m.status.Set(status.Mirroring)
	monitor.begun()
	start := time.Now()
	progress := a.startProgress(on, log, m.status)
	result, runErr := m.process.Run(ctx)
	if runErr == nil {
		m.far.ended(result.Totals)
	}
	progress.Stop()
	err = a.segmentsResult(m, result, runErr, time.Since(start))
	if a.output.json {
		st := m.status.Status()
		a.emit(a.stdout, status.Message{MessageType: status.MessageSummary, Status: &st})
	}
	return err
}

// openSegmentsMirror opens all that takes part. What is worked at is below base.
func (a *app) openSegmentsMirror(ctx context.Context, f *mirrorFlags, id, base string, monitor *monitored, log zerolog.Logger) (_ *segmentsMirror, err error) {
	m := &segmentsMirror{id: id, url: f.segments.shown(), of: &f.segments, shared: f.cluster.servers != "", monitor: monitor}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	if m.client, err = f.client(id, cache.DefaultInlineLimit, monitor.counts(), log); err != nil {
		return nil, err
	}
	if m.names, err = f.openNames(id, log); err != nil {
		return nil, err
	}
	trust, err := f.trust()
	if err != nil {
		return nil, err
	}
	a.doing("opening %s", m.url)
	if m.objects, err = f.segments.open(ctx, trust, true, log); err != nil {
		return nil, err
	}
	if f.store != "" {
		base = f.store
	}
	if m.dir, err = workdir.Make(base); err != nil {
		return nil, fmt.Errorf("the directory for what is worked at: %w", err)
	}
	scratch, err := m.dir.Sub("scratch")
	if err != nil {
		return nil, err
	}
	if m.server, err = f.cluster.serve(filepath.Join(m.dir.Path(), "nats"), log); err != nil {
		return nil, err
	}
	process := processID()
	of, err := a.openMirror(ctx, f, m, process, log)
	if err != nil {
		return nil, err
	}
	// Who comes after the end needs nobody, and may find nobody.
	complete, _, err := segments.Reader{Store: m.objects, Mirror: of.ID}.Complete(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.url, m.of.about(err))
	}
	m.bus = cluster.NewLocal()
	switch {
	case complete && f.cluster.helps():
		m.bus = &lateBus{Local: cluster.NewLocal(), of: f.cluster.options(of.ID, process, zerolog.Nop())}
	case f.cluster.servers != "" && !complete:
		a.doing("joining the others")
		if m.bus, err = f.cluster.join(ctx, m.server, of.ID, process, log); err != nil {
			m.bus = nil // and not a bus that is a nil pointer
			return nil, err
		}
	}
	lister := mirror.Lister(m.client)
	if m.names != nil {
		lister = m.names
	}
	m.process, err = cluster.Open(cluster.Options{
		Store: m.objects, Mirror: of, Bus: m.bus, Process: process, Dir: scratch, InlineLimit: cache.DefaultInlineLimit, Reserve: f.reserved(), Memory: limitedSegments(log), Log: log,
		SegmentNames: f.cluster.segmentNames, Haste: f.cluster.haste,
		Engine: mirror.Options{
			Lister: lister, Fetcher: m.client, Prefetch: true,
			Connections: cmp.Or(f.connections, f.s3.connections(id), mirror.DefaultConnections), Outage: f.patience(), MaxGone: mirror.GoneLimit(f.maxGone),
			MaxFile: int64(f.maxFileSize), LimitFiles: f.limitFiles, LimitRate: int64(f.limitRate), Log: log,
		},
	})
	if err != nil {
		return nil, err
	}
	m.far = &segmentsProgress{process: m.process, origin: id, dir: m.dir.Path()}
	m.status = status.New(status.Options{
		Command: "mirror", Version: version(), Store: m.far, Engine: m.process, Prefetch: true, Away: awayOf(m.objects),
		Network: func() (connections, requests int64) {
			n := m.client.Counts()
			return n.Open, n.Requests
		},
	})
	monitor.attach(&watched{status: m.status, counts: m.process.Counts, log: log})
	return m, nil
}

// openMirror finds the mirror in the object store, or begins one, once it is certain that the
// origin and the object store are what they should be.
func (a *app) openMirror(ctx context.Context, f *mirrorFlags, m *segmentsMirror, process string, log zerolog.Logger) (segments.Mirror, error) {
	a.doing("looking at %s", m.url)
	_, err := segments.Open(ctx, m.objects, "", time.Time{})
	if err != nil && !errors.Is(err, segments.ErrNone) {
		return segments.Mirror{}, fmt.Errorf("%s: %w", m.url, m.of.about(err))
	}
	begun := err == nil
	helped, err := natsbus.Claimed(ctx, m.objects)
	if err != nil {
		return segments.Mirror{}, fmt.Errorf("%s: %w", m.url, m.of.about(err))
	}
	if !begun {
		if err := f.segments.checkFree(); err != nil {
			return segments.Mirror{}, err
		}
		a.doing("asking %s for its first names", m.id)
		s := &session{id: m.id, client: m.client, names: m.names, filesURL: f.filesURL(m.id), server: f.server(m.id), log: log}
		if err := s.probe(ctx); err != nil {
			return segments.Mirror{}, err
		}
	}
	if !begun && !helped && f.cluster.haste == 1 { // tests start too many to try that each time
		a.doing("trying whether %s lets one of many win", m.url)
		err := objects.Probe(ctx, m.objects)
		if errors.Is(err, objects.ErrUnfit) && f.cluster.helps() {
			log.Warn().Err(err).Msg("the object store cannot say who was first, so NATS does: every process needs --cluster with the same servers, and what they have must not be lost before the mirror is complete")
			helped, err = true, nil
		}
		if err != nil {
			return segments.Mirror{}, fmt.Errorf("%s cannot hold a mirror: %w", m.url, m.of.about(err))
		}
	}
	if helped {
		if err := f.help(ctx, m, process, log); err != nil {
			return segments.Mirror{}, err
		}
	}
	of, err := segments.Open(ctx, m.objects, m.id, time.Now())
	if err != nil {
		return segments.Mirror{}, fmt.Errorf("%s: %w", m.url, m.of.about(err))
	}
	return of, nil
}

// help has NATS say who was first, for an object store that cannot.
func (f *mirrorFlags) help(ctx context.Context, m *segmentsMirror, process string, log zerolog.Logger) (err error) {
	if !f.cluster.helps() {
		return usagef("%s is made with the help of NATS, as its object store cannot say who was first: give --cluster with the same servers", m.url)
	}
	identity, err := f.segments.identity()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(identity))
	if m.helper, err = f.cluster.joinForClaims(ctx, m.server, "claims-"+hex.EncodeToString(sum[:8]), process, log); err != nil {
		m.helper = nil
		return err
	}
	store, err := m.helper.Claims(ctx, m.objects)
	if err != nil {
		return fmt.Errorf("%s: %w", m.url, err)
	}
	m.objects = store
	return nil
}

// goesOn says, of a mirror that is not complete, who goes on with it.
func (m *segmentsMirror) goesOn() string {
	switch {
	case m.server != nil:
		return "; others wait for the server of this process: run the same command again to go on"
	case m.shared:
		return "; others go on with it, and the same command does"
	}
	return ", run the same command again to go on"
}

// statusLine is one line for a service manager.
func (m *segmentsMirror) statusLine() string {
	p := m.status.Quick()
	return fmt.Sprintf("%s listed, %s fetched", count(p.Listed), count(p.Fetched))
}

// alive reports, for a watchdog, whether what this process does can be told.
func (m *segmentsMirror) alive(context.Context) error {
	m.process.Report()
	return nil
}

// close ends what is open, the user of each before it.
func (m *segmentsMirror) close() error {
	m.monitor.detach()
	var errs []error
	if m.status != nil {
		errs = append(errs, m.status.Close())
	}
	if m.process != nil {
		errs = append(errs, m.process.Close())
	}
	if m.bus != nil {
		errs = append(errs, m.bus.Close())
	}
	if m.helper != nil {
		errs = append(errs, m.helper.Close())
	}
	if m.server != nil {
		errs = append(errs, m.server.Close())
	}
	if m.names != nil {
		errs = append(errs, m.names.Close())
	}
	if m.client != nil {
		errs = append(errs, m.client.Close())
	}
	if m.objects != nil {
		errs = append(errs, m.objects.Close())
	}
	if m.dir != nil {
		errs = append(errs, m.dir.Close())
	}
	return errors.Join(errs...)
}

// segmentsResult says how a mirror in segments ended.
func (a *app) segmentsResult(m *segmentsMirror, r cluster.Result, runErr error, took time.Duration) error {
	if runErr != nil && r.Complete {
		m.status.Set(status.Complete)
		a.tell("the mirror is complete; what nobody refers to may be left in %s, and the same command removes it", m.url)
		return runErr
	}
	if runErr != nil {
		m.status.Set(status.Stopped)
		if errors.Is(runErr, context.Canceled) {
			a.tell("the mirror is not complete%s", m.goesOn())
			return runErr
		}
		m.status.Fail(runErr)
		do := "run the same command again to go on"
		if cache.NoRoom(runErr) {
			do = "make room, then " + do
		}
		return fmt.Errorf("%w; the mirror of %s in %s is not complete, %s", m.of.about(runErr), m.id, m.url, do)
	}
	p := cache.Progress{Files: r.Files, Fetched: r.Fetched, Bytes: r.Bytes, Gone: r.Gone, Failed: r.Failed, Skipped: r.Skipped}
	text := summary(p, p, 0)
	if mine := m.process.Report().Files; mine > 0 {
		text += fmt.Sprintf("; %s here, in %s, %s files/s", count(uint64(mine)), took.Round(10*time.Millisecond), count(uint64(float64(mine)/took.Seconds())))
	}
	a.tell("%s", text)
	if r.Failed > 0 {
		m.status.Set(status.Ended)
		return fmt.Errorf("%w: %d of %d; a mount of %s says which, with motefs failures", errFailedFiles, r.Failed, r.Files, m.url)
	}
	m.status.Set(status.Complete)
	a.tell("the mirror is complete; use it with: %s", m.of.mountCommand())
	return nil
}
