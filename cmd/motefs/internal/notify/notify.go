// Package notify tells a service manager how this process does, by the protocol of
// sd_notify(3). Where none asks, as outside of systemd, it does nothing.
package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"
)

const (
	// statusEvery is how often at most progress is told.
	statusEvery = 5 * time.Second
	// maxStatus bounds what is told, in bytes; systemctl shows one line.
	maxStatus = 200
)

// Manager is the service manager. The methods of nil do nothing.
type Manager struct {
	log      zerolog.Logger
	every    time.Duration // of its watchdog; 0: it has none
	deaf     sync.Once     // logs that it cannot be reached
	statusAt time.Duration // between two of Start's; statusEvery but in tests
}

// Open returns the manager that the environment names, nil where there is none.
func Open(log zerolog.Logger) *Manager {
	if os.Getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	m := &Manager{log: log, statusAt: statusEvery}
	var err error
	if m.every, err = daemon.SdWatchdogEnabled(false); err != nil {
		log.Warn().Err(err).Msg("the service manager's watchdog is not kicked: WATCHDOG_USEC")
	}
	return m
}

// Ready says that what was asked for can be used.
func (m *Manager) Ready(status string) { m.send(daemon.SdNotifyReady, statusLine(status)) }

// Status says what the process is at. Who calls it bounds how often.
func (m *Manager) Status(status string) { m.send(statusLine(status)) }

// Stopping says that the process is about to end.
func (m *Manager) Stopping(status string) { m.send(daemon.SdNotifyStopping, statusLine(status)) }

// Start tells the status where it has changed, every few seconds, and kicks the watchdog for
// as long as alive says nil in time, until stop is called. alive is given a context
// that ends before the watchdog would.
func (m *Manager) Start(status func() string, alive func(context.Context) error) (stop func()) {
	if m == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { m.tellStatus(ctx, status) })
	if m.every > 0 {
		wg.Go(func() { m.kick(ctx, alive) })
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

func (m *Manager) tellStatus(ctx context.Context, status func() string) {
	tick := time.NewTicker(m.statusAt)
	defer tick.Stop()
	for last := ""; ; {
		if now := status(); now != last {
			m.Status(now)
			last = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// kick is twice as often as the manager wants it, as sd_watchdog_enabled(3) says.
func (m *Manager) kick(ctx context.Context, alive func(context.Context) error) {
	every := m.every / 2
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		asking, cancel := context.WithTimeout(ctx, every/2)
		err := alive(asking)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			m.send(daemon.SdNotifyWatchdog)
		default:
			m.log.Error().Err(err).Stringer("watchdog", m.every).Msg("the service manager's watchdog is not kicked")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// statusLine is a status as it is sent: one line, as the next would be a word to the
// manager.
func statusLine(status string) string {
	status = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, status)
	if len(status) > maxStatus {
		status = strings.ToValidUTF8(status[:maxStatus], "")
	}
	return "STATUS=" + status
}

// errNobody is a NOTIFY_SOCKET that has gone from the environment.
var errNobody = errors.New("NOTIFY_SOCKET is not set")

func (m *Manager) send(words ...string) {
	if m == nil {
		return
	}
	sent, err := daemon.SdNotify(false, strings.Join(words, "\n"))
	if err == nil && !sent {
		err = errNobody
	}
	if err != nil {
		m.deaf.Do(func() {
			m.log.Warn().Err(fmt.Errorf("notify: %w", err)).Msg("the service manager is not told how this process does")
		})
	}
}
