package kustomize

import (
	"net/url"
	"regexp"
	"strings"
)

// gitLocation matches what kustomize hands over to git: a URL, user@host, and GitHub without a scheme. As in kustomize, that
// goes before folders of the tree that have such a name.
var gitLocation = regexp.MustCompile(`(?i)^(?:git::)?(?:(?:https?|ssh|file)://|[a-z][a-z0-9-]*@[^/:]+[/:]|github\.com[/:])`)

// isRemote tells whether kustomize would clone or download a reference that is no file of the tree.
func isRemote(value string) bool { return isDownload(value) || gitLocation.MatchString(value) }

// isDownload tells whether kustomize would download a file instead of opening one. It asks that of every file that it reads.
func isDownload(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (strings.EqualFold(u.Scheme, "http") || strings.EqualFold(u.Scheme, "https"))
}
