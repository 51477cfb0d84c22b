package natsbus

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
)

const (
	// connectTimeout is how long one server may take to let a client in.
	connectTimeout = 5 * time.Second
	// pingEvery and pingsLost say when a connection that brings nothing is given up: after
	// some six seconds.
	pingEvery, pingsLost = 2 * time.Second, 2
	// onceTimeout is how long one request may take before it is made again: one that was sent to
	// a leader that died is never answered.
	onceTimeout = 3 * time.Second
	// sayEvery is how often the log is told that something is waited for.
	sayEvery = 10 * time.Second
)

// connect waits for a server that lets this process in, for as long as ctx lasts. A
// refusal is returned at once.
func connect(ctx context.Context, o Options, more ...nats.Option) (*nats.Conn, error) {
	opts := nats.GetDefaultOptions()
	all := append(o.natsOptions(), more...)
	if o.Server == nil {
		urls, err := o.urls()
		if err != nil {
			return nil, err
		}
		for _, u := range urls {
			opts.Servers = append(opts.Servers, u.String())
		}
	}
	for _, set := range all {
		if err := set(&opts); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrLogin, err)
		}
	}
	var conn *nats.Conn
	var last error // of a try
	err := again(ctx, func() error {
		if conn, last = opts.Connect(); last != nil && refused(last) {
			return backoff.Permanent(last)
		}
		return last
	}, 0, func(err error) {
		o.Log.Warn().Err(err).Str("servers", o.where()).Msg("NATS cannot be reached; waiting")
	})
	if err != nil && last != nil && !errors.Is(err, last) {
		err = &late{ended: err, last: last}
	}
	if err != nil {
		return nil, fmt.Errorf("connect to NATS (%s): %w", o.where(), err)
	}
	return conn, nil
}

// natsOptions are those of every connection.
func (o Options) natsOptions() []nats.Option {
	opts := []nats.Option{
		nats.Name("motefs " + o.Process),
		nats.Timeout(connectTimeout),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsLost),
		nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 250*time.Millisecond),
		// What cannot be sent now is sent by who asked for it, if it still matters then.
		nats.ReconnectBufSize(-1),
	}
	if o.Server != nil {
		opts = append(opts, o.Server.inProcess())
	}
	if o.Dial != nil {
		opts = append(opts, nats.SetCustomDialer(o.Dial))
	}
	return append(opts, o.Login.options()...)
}

func (l Login) options() []nats.Option {
	var opts []nats.Option
	if l.Creds != "" {
		opts = append(opts, nats.UserCredentials(l.Creds))
	}
	if l.NKey != "" {
		opts = append(opts, func(o *nats.Options) error {
			set, err := nats.NkeyOptionFromSeed(l.NKey)
			if err != nil {
				return err
			}
			return set(o)
		})
	}
	if l.User != "" {
		opts = append(opts, nats.UserInfo(l.User, l.Password))
	}
	if l.CA != "" {
		opts = append(opts, nats.RootCAs(l.CA))
	}
	if l.Cert != "" || l.Key != "" {
		opts = append(opts, nats.ClientCert(l.Cert, l.Key))
	}
	return opts
}

// refused reports whether asking again would bring the same.
func refused(err error) bool {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) ||
		errors.Is(err, nats.ErrPermissionViolation) || errors.Is(err, nats.ErrAccountAuthExpired) ||
		errors.Is(err, nats.ErrSecureConnRequired) || errors.Is(err, nats.ErrSecureConnWanted) ||
		errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}

// again calls once until it succeeds, its error is permanent, or ctx ends. say is told what is
// waited for, first after patience, then now and then.
func again(ctx context.Context, once func() error, patience time.Duration, say func(error)) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, time.Second
	sayAt := time.Now().Add(patience)
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, once() },
		backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, _ time.Duration) {
			if now := time.Now(); !now.Before(sayAt) {
				sayAt = now.Add(sayEvery)
				say(err)
			}
		}))
	return err
}
