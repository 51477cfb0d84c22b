package origin

import (
	"bytes"
	"net/url"
	"strings"
)

// nextLink is the URL of the next page in a response's Link (RFC 8288), empty where it
// has none.
func (c *Client) nextLink(q *pageRequest) (string, error) {
	for _, link := range splitLinks(string(bytes.Join(q.links, []byte(", ")))) {
		ref, params, ok := strings.Cut(link, ">")
		if !ok || !isNext(params) {
			continue
		}
		from, err := url.Parse(c.base.url.Scheme + "://" + c.base.url.Host + q.target)
		if err != nil {
			return "", listingError("the next page is relative to what is no URL")
		}
		to, err := from.Parse(strings.TrimSpace(ref))
		if err != nil {
			return "", listingError("the next page is at %q, which is no URL", withoutSecrets(ref))
		}
		return to.String(), nil
	}
	return "", nil
}

// splitLinks takes a Link apart where its references begin: a comma may be part of one.
func splitLinks(field string) []string {
	return strings.Split(field, "<")[1:]
}

// isNext reports whether parameters have the relation next.
func isNext(params string) bool {
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "rel") {
			continue
		}
		value = strings.Trim(strings.TrimRight(value, ", \t"), ` "`)
		for rel := range strings.FieldsSeq(value) {
			if strings.EqualFold(rel, "next") {
				return true
			}
		}
		return false // the first one counts
	}
	return false
}
