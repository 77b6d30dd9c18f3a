package tenancy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// repositoryKinds are the Flux sources that can be allowed.
var repositoryKinds = []string{"GitRepository", "Bucket", "HelmRepository", "OCIRepository"}

// The parts of a name that * stands for. They cannot begin with a dot, so that no path leads upwards.
const (
	anyPart = `[A-Za-z0-9_~-][A-Za-z0-9._~-]*`
	anyPath = anyPart + `(?:/` + anyPart + `)*`
	anyHost = `[A-Za-z0-9-]+`
)

var (
	scpForm  = regexp.MustCompile(`^(?:[A-Za-z0-9._-]+@)?([A-Za-z0-9.*-]+):([^/].*)$`)
	urlForm  = regexp.MustCompile(`^([a-z][a-z0-9+]*)://(?:([^/@]*)@)?([A-Za-z0-9.*-]+|\[[0-9A-Fa-f:]+\])(?::(\d+))?(?:/(.*))?$`)
	pathForm = regexp.MustCompile(`^[A-Za-z0-9._~*+@%/-]*$`)
)

// defaultPorts of the schemes.
var defaultPorts = map[string]string{"https": "443", "http": "80", "ssh": "22", "oci": "443"}

// schemes that each kind of source takes.
var schemes = map[string][]string{
	"GitRepository":  {"https", "http", "ssh"},
	"HelmRepository": {"https", "http", "oci"},
	"OCIRepository":  {"oci"},
}

// repositoryPattern is the regular expression (RE2, anchored) of the URLs that are the repository. For Git, the forms over
// https and ssh, git@host:path included, with and without .git are one repository; http is another, as nothing protects it.
// Users are part of a URL only for ssh. Hosts are compared without regard to case.
func repositoryPattern(r Repository) (string, error) {
	text := strings.TrimSpace(r.URL)
	if text == "" {
		return "", errors.New("is empty")
	}
	if r.Kind == "Bucket" {
		if strings.ContainsAny(text, "/ ") {
			return "", fmt.Errorf("is %q: a Bucket has an endpoint without a scheme and a path", r.URL)
		}
		return `^(?i:` + hostPattern(text) + `)$`, nil
	}
	if m := scpForm.FindStringSubmatch(text); r.Kind == "GitRepository" && m != nil && !strings.Contains(text, "://") {
		text = "ssh://git@" + m[1] + "/" + m[2]
	}
	m := urlForm.FindStringSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("is %q, which is no URL", r.URL)
	}
	scheme, user, host, port, rest := m[1], m[2], m[3], m[4], strings.Trim(m[5], "/")
	if !slices.Contains(schemes[r.Kind], scheme) {
		return "", fmt.Errorf("has the scheme %s, where a %s has %s", scheme, r.Kind, strings.Join(schemes[r.Kind], ", "))
	}
	if strings.Contains(user, ":") {
		return "", errors.New("contains a password: remove it, credentials belong into a secret")
	}
	if !pathForm.MatchString(rest) || strings.Contains("/"+rest+"/", "/../") {
		return "", fmt.Errorf("is %q: its path has characters that a repository's does not have", r.URL)
	}
	if r.Kind != "GitRepository" {
		return `^` + scheme + `://(?i:` + hostPattern(host) + `)` + portPattern(scheme, port) + slash(pathPattern(rest)) + `/?$`, nil
	}
	rest = strings.TrimSuffix(rest, ".git")
	tail := slash(pathPattern(rest)) + `(?:\.git)?/?$`
	if scheme == "http" {
		return `^http://(?i:` + hostPattern(host) + `)` + portPattern("http", port) + tail, nil
	}
	// A port other than the scheme's own belongs to that scheme: it says nothing about where the other form would be.
	https, ssh := portPattern("https", ""), portPattern("ssh", "")
	switch {
	case port == "" || port == defaultPorts[scheme]:
	case scheme == "https":
		return `^https://(?i:` + hostPattern(host) + `)` + portPattern(scheme, port) + tail, nil
	default:
		return `^ssh://(?:[A-Za-z0-9._-]+@)?(?i:` + hostPattern(host) + `)` + portPattern(scheme, port) + tail, nil
	}
	h := `(?i:` + hostPattern(host) + `)`
	return `^(?:https://` + h + https + `|ssh://(?:[A-Za-z0-9._-]+@)?` + h + ssh + `)` + tail, nil
}

// allows tells whether the tenant may deploy from a repository.
func (t *Tenant) allows(kind, url string) bool {
	for _, r := range t.AllowedRepositories {
		if r.Kind != kind {
			continue
		}
		if r.URL == url {
			return true
		}
		if pattern, err := repositoryPattern(r); err == nil && regexp.MustCompile(pattern).MatchString(url) {
			return true
		}
	}
	return false
}

// imagePattern is the regular expression of the images below a prefix such as ghcr.io/acme. Images without a registry are
// judged as docker.io/library/name or docker.io/owner/name.
func imagePattern(prefix string) (string, error) {
	text := strings.Trim(prefix, "/")
	if text == "" {
		return "", errors.New("is empty")
	}
	if strings.Contains(text, "://") || !pathForm.MatchString(strings.ReplaceAll(text, ":", "")) {
		return "", errors.New("is not the beginning of an image's name")
	}
	host, rest, hasPath := strings.Cut(text, "/")
	if !strings.ContainsAny(host, ".:*") && host != "localhost" {
		return "", errors.New("has no registry: for Docker Hub it begins with docker.io/")
	}
	name, port, _ := strings.Cut(host, ":")
	pattern := `^(?i:` + hostPattern(name) + `)`
	if port != "" {
		pattern += ":" + regexp.QuoteMeta(port)
	}
	if !hasPath {
		return pattern + `/.+$`, nil
	}
	return pattern + "/" + pathPattern(rest) + `[/:@].+$`, nil
}

// hostnamePattern is the regular expression of the hostnames that shop.example.com or *.shop.example.com stands for.
func hostnamePattern(host string) string {
	if below, wild := strings.CutPrefix(host, "*."); wild {
		return `^(?:\*|[a-z0-9-]+)(?:\.[a-z0-9-]+)*\.` + regexp.QuoteMeta(below) + `$`
	}
	return `^` + regexp.QuoteMeta(host) + `$`
}

func hostPattern(host string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(host), `\*`, anyHost)
}

func portPattern(scheme, port string) string {
	if port == "" || port == defaultPorts[scheme] {
		return `(?::` + defaultPorts[scheme] + `)?`
	}
	return `:` + port
}

func pathPattern(path string) string {
	pattern := regexp.QuoteMeta(path)
	pattern = strings.ReplaceAll(pattern, `\*\*`, "\x00")
	pattern = strings.ReplaceAll(pattern, `\*`, anyPart)
	return strings.ReplaceAll(pattern, "\x00", anyPath)
}

// slash puts a path behind a host.
func slash(path string) string {
	if path == "" {
		return ""
	}
	return "/" + path
}
