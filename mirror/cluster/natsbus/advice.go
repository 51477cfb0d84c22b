package natsbus

import (
	"crypto/x509"
	"errors"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrLogin says that credentials or certificates for NATS cannot be read.
var ErrLogin = errors.New("credentials of NATS")

// late says that there was no more time, and to people what was in the way until then.
type late struct{ ended, last error }

func (e *late) Error() string { return e.last.Error() }
func (e *late) Unwrap() error { return e.ended }

// cutOff is an error of a request while there is no connection, in plain words: NATS' client speaks of
// its buffer then.
type cutOff struct{ error }

func (e cutOff) Error() string {
	return strings.ReplaceAll(e.error.Error(), nats.ErrReconnectBufExceeded.Error(), "not connected")
}
func (e cutOff) Unwrap() error { return e.error }

// plain is an error for people.
func plain(err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return cutOff{err}
	}
	return err
}

// Advice is what to do about an error of Open, Watch or Mirrors; empty where nobody knows.
func Advice(err error) string {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, ErrLogin):
		return "check --nats-creds, and NATS_CREDS, NATS_NKEY, NATS_CA, NATS_CERT and NATS_KEY, which name files"
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return "it wants other credentials: give --nats-creds or NATS_CREDS, NATS_NKEY, or NATS_USER and NATS_PASSWORD"
	case errors.Is(err, nats.ErrPermissionViolation):
		return "these credentials need rights to JetStream and to the subjects motefs.>"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "that server does not speak TLS: give nats:// in the place of tls://"
	case errors.Is(err, nats.ErrSecureConnRequired):
		return "that server wants TLS: give tls:// in the place of nats://"
	case errors.As(err, &unknown):
		return "give the certificate of who signed the server's with NATS_CA"
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return "check that it has JetStream, as nats-server -js"
	}
	return ""
}
