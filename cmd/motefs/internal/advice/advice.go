// Package advice says of an origin that does not do what it should what happened, in the
// words of a user, and what to do about it.
package advice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/motefs/motefs/mirror"
	"github.com/motefs/motefs/mirror/s3"
	"github.com/motefs/motefs/mirror/wire"
)

// Origin is who the advice is about.
type Origin struct {
	// S3: it is a bucket, and not a URL of the user's.
	S3 bool
	// Endpoint: of S3, whether the user has named the server.
	Endpoint bool
	// Flags is what the names of its flags begin with behind "--": none, or "segments-" of an
	// object store.
	Flags string
}

// URL is what the user gave that says where the origin is.
func (o Origin) URL() string {
	switch {
	case o.Endpoint:
		return "--" + o.Flags + "endpoint-url"
	case o.S3:
		return "the bucket's name and --" + o.Flags + "region"
	}
	return "the URL"
}

// Of is what err says of an origin, and what to do about it. Each is empty where there
// is nothing better than the error's own text.
func (o Origin) Of(err error) (what, do string) {
	if refusal, ok := errors.AsType[*s3.Refusal](err); ok {
		if do := refusal.Advice("--" + o.Flags); do != "" {
			return "", do
		}
	}
	if proxy, ok := errors.AsType[*wire.ProxyError](err); ok {
		return proxy.Error(), "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
	}
	if status, ok := errors.AsType[*mirror.StatusError](err); ok {
		return "", o.ofStatus(status.Code)
	}
	if what, do = o.ofTLS(err); do != "" {
		return what, do
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return fmt.Sprintf("there is no host %q", dns.Name), "check " + o.URL()
		}
		return fmt.Sprintf("the name %q cannot be looked up (%s)", dns.Name, dns.Err), "check this machine's network"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens" + at(err), "check the port in " + o.URL() + ", and that the service is up"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way" + to(err), "check " + o.URL() + ", and this machine's network"
	case errors.Is(err, mirror.ErrRedirect) && !o.S3:
		return "", "give the URL that it leads to"
	case errors.Is(err, mirror.ErrListing) && !o.S3:
		return "", "check the path in the URL; ORIGINS.md says what a listing is and how to read others (--list-path, --names-field, …)"
	case errors.Is(err, mirror.ErrFraming):
		return "what listens there does not speak HTTP", "check the port in " + o.URL()
	case errors.Is(err, context.DeadlineExceeded):
		return "", "check that the service is up, and that no firewall is between"
	}
	return "", ""
}

// ofStatus is what to do about a status of HTTP.
func (o Origin) ofStatus(code int) string {
	switch {
	case o.S3 && code >= http.StatusBadRequest && code < http.StatusInternalServerError && code != http.StatusTooManyRequests:
		return "that is no answer of S3: check " + o.URL()
	case code == http.StatusUnauthorized:
		return "give what it wants to know you by, as in --header 'Authorization: Bearer …' or --header @FILE"
	case code == http.StatusForbidden:
		return "what it knows you by gives no access: check --header, or the URL"
	case code == http.StatusNotFound, code == http.StatusGone, code == http.StatusMethodNotAllowed:
		return "no listing is there: check the path in the URL, or say where it is with --list-path"
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		return "it is busy or down for now: try again later"
	case code >= http.StatusInternalServerError:
		return "the service has a problem of its own: see its log, or try again later"
	}
	return ""
}

// ofTLS is what err says of an encrypted connection.
func (o Origin) ofTLS(err error) (what, do string) {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "what listens there does not speak TLS", "give " + o.URL() + " with http:// in the place of https://, or another port"
	}
	if name, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("its certificate is not for %q, but for %s", name.Host, names(name.Certificate)), "give " + o.URL() + " with a name of the certificate's"
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return "its certificate is not valid now", "have it renewed, or set this machine's clock"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate is from nobody that this machine trusts", "if the service has a certificate of its own, give that with --ca-cert"
	}
	return "", ""
}

// namesShown bounds the names of a certificate that are shown.
const namesShown = 4

// names are those that a certificate is for.
func names(c *x509.Certificate) string {
	all := c.DNSNames
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return "no name that can be compared"
	case len(all) > namesShown:
		all = append(all[:namesShown:namesShown], "…")
	}
	return strings.Join(all, ", ")
}

// at is the address that an error is about.
func at(err error) string { return address(" at ", err) }

// to is the same for a way there.
func to(err error) string { return address(" to ", err) }

func address(word string, err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return word + op.Addr.String()
	}
	return word + "it"
}
