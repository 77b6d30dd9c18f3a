package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"

	"github.com/assay-gitops/assay/policy"
)

// listIndex is an index in a path; a list may grow before the element that a finding is about.
var listIndex = regexp.MustCompile(`\[\d+\]`)

// Fingerprint identifies a finding from one run to the next: 32 hexadecimal digits made of policy, object, path and
// message. Lines play no part, so that edits elsewhere in a file do not change it; neither do list indexes in the path,
// so that a container put before another does not. The message tells apart what then has the same path.
func Fingerprint(policyID string, o *policy.Object, path, message string) string {
	return digest(
		policyID, o.Group(), o.Kind(), o.Namespace(), o.Name(), listIndex.ReplaceAllString(path, "[]"), listIndex.ReplaceAllString(message, "[]"),
	)
}

// problemFingerprint identifies a problem from one run to the next.
func problemFingerprint(p *policy.Problem) string {
	return digest(string(p.Kind), p.Location.File, p.Message)
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		// The length keeps parts apart whatever they hold.
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	const size = 16
	return hex.EncodeToString(h.Sum(nil)[:size])
}
