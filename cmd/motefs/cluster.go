package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/motefs/motefs/mirror/cluster"
	"github.com/motefs/motefs/mirror/cluster/natsbus"
	"github.com/motefs/motefs/mirror/segments"
	"github.com/rs/zerolog"
	"github.com/spf13/pflag"
)

// clusterFlags say with whom a mirror in segments is made.
type clusterFlags struct {
	servers string
	listen  string
	creds   string
	// segmentNames and haste are for tests, which have little time: how many names a segment
	// has, and by what all that is waited for is divided.
	segmentNames, haste int
}

// embedded is the word for a NATS server in this process.
const embedded = "embedded"

// defaultListen is where an embedded server is reached; NATS' own port.
const defaultListen = "127.0.0.1:4222"

func (f *clusterFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.servers, "cluster", "", "`URLs` of NATS servers, with commas between them, by which processes that give the same --segments share the work; embedded: run one here")
	flags.StringVar(&f.listen, "cluster-listen", defaultListen, "`address` at which the server of --cluster embedded lets others in")
	f.registerLogin(flags)
	inGroup(flags, groupSegments, "cluster", "cluster-listen")
	flags.IntVar(&f.segmentNames, "segment-names", 0, "")
	flags.IntVar(&f.haste, "cluster-haste", 1, "")
	for _, hidden := range []string{"segment-names", "cluster-haste"} {
		_ = flags.MarkHidden(hidden) // it is there
	}
}

// registerWatch adds the flags for who only looks.
func (f *clusterFlags) registerWatch(flags *pflag.FlagSet) {
	f.listen = defaultListen
	flags.StringVar(&f.servers, "cluster", "", "`URLs` of the NATS servers of processes that make a mirror together; with --segments that mirror alone is shown, also where NATS is away")
	f.registerLogin(flags)
	inGroup(flags, groupSegments, "cluster")
}

func (f *clusterFlags) registerLogin(flags *pflag.FlagSet) {
	flags.StringVar(&f.creds, "nats-creds", "", "`file` of credentials for NATS (default NATS_CREDS; NATS_NKEY, NATS_USER, NATS_PASSWORD, NATS_CA, NATS_CERT and NATS_KEY are used too)")
	inGroup(flags, groupSegments, "nats-creds")
}

func (f *clusterFlags) validate(segments string) error {
	switch {
	case f.servers != "" && segments == "":
		return usagef("--cluster goes with --segments, which says where the mirror is that is shared")
	case f.servers != "" && f.servers != embedded && natsbus.CheckServers(f.servers) != nil:
		return usagef("--cluster: %w", natsbus.CheckServers(f.servers))
	case f.servers != embedded && f.listen != defaultListen:
		return usagef("--cluster-listen goes with --cluster embedded")
	case f.servers == embedded && natsbus.CheckListen(f.listen) != nil:
		return usagef("--cluster-listen %q: give an address such as 10.0.0.1:4222, which others can reach", f.listen)
	case (f.servers == "" || f.servers == embedded) && f.creds != "":
		return usagef("--nats-creds goes with --cluster nats://HOST:PORT")
	}
	return nil
}

// helps reports whether there are servers that remember who was first. One in this process forgets it
// as that ends, with which the mirror could not be gone on with.
func (f *clusterFlags) helps() bool { return f.servers != "" && f.servers != embedded }

// validateWatch is validate for who only looks.
func (f *clusterFlags) validateWatch() error {
	switch {
	case f.servers == embedded:
		return usagef("--cluster embedded: give the URL of that server, which it says when it starts")
	case f.servers != "" && natsbus.CheckServers(f.servers) != nil:
		return usagef("--cluster: %w", natsbus.CheckServers(f.servers))
	case f.servers == "" && f.creds != "":
		return usagef("--nats-creds goes with --cluster")
	}
	return nil
}

// with says with whom, for people.
func (f *clusterFlags) with() string {
	switch f.servers {
	case "":
		return ""
	case embedded:
		return ", with whoever joins"
	}
	return ", with all who are at " + natsbus.Where(f.servers)
}

// login is how this process shows who it is.
func (f *clusterFlags) login() natsbus.Login {
	l := natsbus.Login{Creds: f.creds}
	l.FromEnvironment(os.Getenv)
	return l
}

// processID names this process among the others, for people too.
func processID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, host)
	return fmt.Sprintf("%.40s-%d-%.4s", host, os.Getpid(), segments.NewAttempt())
}

// joinPatience is how long a process waits for NATS at its start.
const joinPatience = 30 * time.Second

// serve starts the server of --cluster embedded; nil: there is none.
func (f *clusterFlags) serve(dir string, log zerolog.Logger) (*natsbus.Server, error) {
	if f.servers != embedded {
		return nil, nil
	}
	server, err := natsbus.Embedded(natsbus.EmbeddedOptions{Dir: dir, Listen: f.listen, Log: log})
	if errors.Is(err, natsbus.ErrListen) {
		return nil, fmt.Errorf("--cluster embedded: %w; give another address with --cluster-listen, or --cluster with the URL of the server that is there", err)
	}
	if err != nil {
		return nil, fmt.Errorf("--cluster embedded: %w", err)
	}
	log.Info().Str("url", server.URL()).Msg("others join with --cluster and this URL")
	return server, nil
}

// join joins the others who are at work at what id names. server is that of serve.
func (f *clusterFlags) join(ctx context.Context, server *natsbus.Server, id, process string, log zerolog.Logger) (*natsbus.Bus, error) {
	return f.open(ctx, server, f.options(id, process, log))
}

// joinForClaims is join for who only makes claims.
func (f *clusterFlags) joinForClaims(ctx context.Context, server *natsbus.Server, id, process string, log zerolog.Logger) (*natsbus.Bus, error) {
	o := f.options(id, process, log)
	o.ClaimsOnly = true
	return f.open(ctx, server, o)
}

func (f *clusterFlags) options(id, process string, log zerolog.Logger) natsbus.Options {
	return natsbus.Options{Servers: f.servers, Login: f.login(), Mirror: id, Process: process, Log: log}
}

func (f *clusterFlags) open(ctx context.Context, server *natsbus.Server, o natsbus.Options) (*natsbus.Bus, error) {
	if f.haste > 1 {
		haste := time.Duration(f.haste)
		o.ItemTimeout, o.LeaseTimeout, o.ReportAge = cluster.ItemTimeout/haste, cluster.LeaseTimeout/haste, natsbus.ReportAge/haste
	}
	if server != nil {
		o.Servers, o.Server = "", server
	}
	joining, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	bus, err := natsbus.Open(joining, o)
	switch {
	case err == nil || ctx.Err() != nil:
	case joining.Err() != nil:
		err = fmt.Errorf("--cluster: NATS cannot be reached within %v: %w; check that it is up, with JetStream, at %s", joinPatience, err, natsbus.Where(f.servers))
	default:
		err = refusedBy(err, "")
	}
	return bus, err
}

// refusedBy is an error of NATS, with what to do about it, otherwise where NATS' client does not tell.
func refusedBy(err error, otherwise string) error {
	if errors.Is(err, natsbus.ErrLogin) {
		return usagef("--cluster: %w; %s", err, natsbus.Advice(err))
	}
	if do := cmp.Or(natsbus.Advice(err), otherwise); do != "" {
		return fmt.Errorf("--cluster: %w; %s", err, do)
	}
	return fmt.Errorf("--cluster: %w", err)
}

// lateBus is the bus of who comes after the end: it needs nobody, and removes what somebody may have left who
// was killed as it ended.
type lateBus struct {
	*cluster.Local
	of natsbus.Options
}

// Complete tells NATS that the mirror is complete.
func (b *lateBus) Complete(ctx context.Context, report []byte) error {
	return natsbus.Complete(ctx, b.of, report)
}
