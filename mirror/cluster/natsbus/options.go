package natsbus

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/motefs/motefs/mirror/cluster"
)

// Options says where NATS is and who takes part.
type Options struct {
	// Servers are URLs of servers with commas between them, nats://HOST:PORT or tls://HOST:PORT.
	Servers string
	// Server is one in this process, in the place of Servers.
	Server *Server
	// Login is how this process shows who it is.
	Login Login
	// Mirror is the id of the mirror: letters, digits, - and _.
	Mirror string
	// Process is the id of this process, of the same letters, and no other's.
	Process string
	// Log is told when NATS goes away and comes back.
	Log zerolog.Logger
	// ItemTimeout is after how long of silence an item is given to another; 0 means
	// cluster.ItemTimeout.
	ItemTimeout time.Duration
	// LeaseTimeout is after how long without a refresh the lease may be taken; 0 means
	// cluster.LeaseTimeout.
	LeaseTimeout time.Duration
	// ReportAge is how long a report counts; 0 means ReportAge.
	ReportAge time.Duration
	// ClaimsOnly opens a bus of which only Claims is called. It makes neither queue nor lease.
	ClaimsOnly bool
	// Dial opens connections; nil means as usual.
	Dial nats.CustomDialer
}

// Login is how a process shows who it is. Paths name files; the zero value shows nothing.
type Login struct {
	Creds          string // a file of credentials, as nsc writes it
	NKey           string // a file with a seed
	User, Password string
	CA             string // a file of certificates by which servers are known
	Cert, Key      string // files that are shown to servers
}

// FromEnvironment takes from NATS' own variables what is not set: NATS_CREDS, NATS_NKEY,
// NATS_USER, NATS_PASSWORD, NATS_CA, NATS_CERT and NATS_KEY.
func (l *Login) FromEnvironment(getenv func(string) string) {
	if l.Creds == "" && l.NKey == "" && l.User == "" {
		l.Creds, l.NKey = getenv("NATS_CREDS"), getenv("NATS_NKEY")
		l.User, l.Password = getenv("NATS_USER"), getenv("NATS_PASSWORD")
	}
	if l.CA == "" {
		l.CA = getenv("NATS_CA")
	}
	if l.Cert == "" && l.Key == "" {
		l.Cert, l.Key = getenv("NATS_CERT"), getenv("NATS_KEY")
	}
}

// ensureDefaults returns the options with what is 0 filled in.
func (o Options) ensureDefaults() Options {
	if o.ItemTimeout == 0 {
		o.ItemTimeout = cluster.ItemTimeout
	}
	if o.LeaseTimeout == 0 {
		o.LeaseTimeout = cluster.LeaseTimeout
	}
	if o.ReportAge == 0 {
		o.ReportAge = ReportAge
	}
	return o
}

// maxID bounds an id, in bytes.
const maxID = 64

// checkID returns an error where an id cannot be part of subjects and names of streams. A regular
// expression would take a quarter of a millisecond of each start of the program.
func checkID(of, id string) error {
	for _, c := range []byte(id) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return fmt.Errorf("id of the %s %.80q: only letters, digits, - and _", of, id)
		}
	}
	if id == "" || len(id) > maxID {
		return fmt.Errorf("id of the %s %.80q: 1 to %d letters, digits, - and _", of, id, maxID)
	}
	return nil
}

// validate returns all that is wrong.
func (o Options) validate() error {
	var errs []error
	if o.Server == nil {
		if _, err := o.urls(); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, checkID("mirror", o.Mirror), checkID("process", o.Process))
	if o.ItemTimeout < 0 || o.LeaseTimeout < 0 || o.ReportAge < 0 {
		errs = append(errs, errors.New("a timeout is negative"))
	}
	return errors.Join(errs...)
}

// urls returns the servers' URLs. Its errors have no text of a URL, which may have a
// password in a place where a parser does not look for one.
func (o Options) urls() ([]*url.URL, error) {
	if o.Servers == "" {
		return nil, errors.New("no server of NATS is named")
	}
	var urls []*url.URL
	for i, text := range strings.Split(o.Servers, ",") {
		text = strings.TrimSpace(text)
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" || u.Scheme != "nats" && u.Scheme != "tls" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("server %d of NATS: not of the form nats://HOST:PORT or tls://HOST:PORT", i+1)
		}
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "4222")
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// CheckServers returns an error where what is given as URLs of servers is none.
func CheckServers(servers string) error {
	_, err := Options{Servers: servers}.urls()
	return err
}

// Where names servers for people, without passwords.
func Where(servers string) string { return Options{Servers: servers}.where() }

// where names the servers for people, without passwords.
func (o Options) where() string {
	if o.Server != nil {
		return "in this process"
	}
	urls, err := o.urls()
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, u := range urls {
		shown := url.URL{Scheme: u.Scheme, Host: u.Host} // a token would stand as a user
		names = append(names, shown.String())
	}
	return strings.Join(names, ",")
}

// ErrListen says that a server in this process cannot listen at its address, as another program does.
var ErrListen = errors.New("cannot listen")

// CheckListen returns an error where an address is none for a server in this process.
func CheckListen(address string) error {
	_, _, err := splitListen(address)
	return err
}

// splitListen is the host and the port of an address.
func splitListen(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || host == "" || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("address %q: not of the form HOST:PORT", address)
	}
	return host, port, nil
}

// EmbeddedOptions says how a server in this process is run.
type EmbeddedOptions struct {
	// Dir is where JetStream keeps its files. No other server may use it.
	Dir string
	// Listen is where others reach it, HOST:PORT; port 0 is a free one. Empty: nobody else does, and
	// there is no socket.
	Listen string
	// User and Password are what others have to show. Empty: whoever reaches it may take part.
	User, Password string
	// Log is told of its troubles.
	Log zerolog.Logger
}
