package auth

import (
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// maxRegistrations bounds what is compared for each request.
const maxRegistrations = 10_000

// registrations are the tokens of agents in other clusters.
type registrations struct {
	clusters []string
	tokens   []secret
}

// parseRegistrations reads a list of clusters, each with the SHA-256 of a token in hexadecimal digits. A cluster may occur several times, so
// that a token can be replaced while both are good. The hub's own cluster may not: its agents have ServiceAccounts.
func parseRegistrations(content []byte, own string) (*registrations, error) {
	var list []struct {
		Cluster string `yaml:"cluster"`
		SHA256  string `yaml:"sha256"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it is not a list of {cluster, sha256}: %w", err)
	}
	if len(list) > maxRegistrations {
		return nil, fmt.Errorf("it has %d tokens, more than %d", len(list), maxRegistrations)
	}
	r := &registrations{}
	seen := map[secret]string{}
	for i, entry := range list {
		digits, err := hex.DecodeString(entry.SHA256)
		switch {
		case entry.Cluster == "":
			return nil, fmt.Errorf("entry %d has no cluster", i+1)
		case len(entry.Cluster) > 253:
			return nil, fmt.Errorf("entry %d: the cluster's name is longer than 253 bytes", i+1)
		case entry.Cluster == own:
			return nil, fmt.Errorf("entry %d is for %s, the hub's own cluster, whose agents show tokens of their ServiceAccounts", i+1, own)
		case err != nil || len(digits) != len(secret{}):
			// The digits are not shown: somebody may have written the token itself.
			return nil, fmt.Errorf("entry %d (cluster %s): sha256 is not 64 hexadecimal digits, as sha256sum prints", i+1, entry.Cluster)
		}
		token := secret(digits)
		if other, twice := seen[token]; twice {
			return nil, fmt.Errorf("entry %d (cluster %s) has the same token as one of cluster %s", i+1, entry.Cluster, other)
		}
		seen[token] = entry.Cluster
		r.clusters, r.tokens = append(r.clusters, entry.Cluster), append(r.tokens, token)
	}
	return r, nil
}

// find takes the same time whichever token it is, and whether it is one.
func (r *registrations) find(token string) (cluster string, ok bool) {
	given := hashed(token)
	found := -1
	for i := range r.tokens {
		same := subtle.ConstantTimeCompare(given[:], r.tokens[i][:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if found < 0 {
		return "", false
	}
	return r.clusters[found], true
}
