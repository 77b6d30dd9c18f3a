package admission

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/words"
	"github.com/assay-gitops/assay/policy"
)

const (
	// maxOccurrences are shown of one policy.
	maxOccurrences = 20
	// maxDenial bounds the text of a denial, in bytes: it travels to the user by way of the API server and is logged there.
	maxDenial = 32 << 10
	// denialReserve is kept for the line that says what was left out.
	denialReserve = 200
)

// rule is the line between policies, 66 characters as in the texts of the Weave Policy Agent.
var rule = strings.Repeat("=", 66)

// byGravity sorts results: those that refuse first, then by severity from high to low, then by the policy's id.
func byGravity(results []*policy.Result) {
	slices.SortStableFunc(results, func(a, b *policy.Result) int {
		return cmp.Or(
			cmp.Compare(rank(a.Enforced), rank(b.Enforced)),
			cmp.Compare(severityRank(a.Policy.Spec.Severity), severityRank(b.Policy.Spec.Severity)),
			cmp.Compare(a.Policy.Spec.ID, b.Policy.Spec.ID),
		)
	})
}

func rank(first bool) int {
	if first {
		return 0
	}
	return 1
}

func severityRank(s v2.Severity) int {
	switch s {
	case v2.SeverityHigh:
		return 0
	case v2.SeverityMedium:
		return 1
	}
	return 2
}

// denialText says why a request is refused. The lines Policy, Entity and Occurrences are those of the Weave Policy Agent,
// in its order, and whoever reads them by program finds them as before; what is new comes after the occurrences.
func denialText(denying []*policy.Result) string {
	var text strings.Builder
	for i, result := range denying {
		block := denialBlock(result)
		if text.Len()+len(block) > maxDenial-denialReserve {
			left := len(denying) - i
			fmt.Fprintf(&text, "%s\n%s more refused this too and %s not shown: correct what is above, or ask with --dry-run=server\n",
				rule, count(left, "policy", "policies"), choose(left, "is", "are"))
			break
		}
		text.WriteString(block)
	}
	return text.String()
}

func denialBlock(result *policy.Result) string {
	var b strings.Builder
	spec := &result.Policy.Spec
	fmt.Fprintf(&b, "%s\nPolicy\t: %s\nEntity\t: %s\nOccurrences:\n", rule, words.OneLine(spec.ID, maxName), entityOf(result.Object))
	remedy := words.FirstSentence(spec.HowToSolve, maxFix)
	if result.Status == policy.Error {
		fmt.Fprintf(&b, "- the policy could not be evaluated: %s\n", errorText(result))
		remedy = fmt.Sprintf("this policy is enforced and fails closed (failurePolicy: Fail); see kubectl get policies.pac.weave.works %s -o yaml",
			words.OneLine(cmp.Or(result.Policy.Name, spec.ID), maxName))
	}
	for i, occurrence := range result.Occurrences {
		if i == maxOccurrences {
			fmt.Fprintf(&b, "- ... and %d more\n", len(result.Occurrences)-i)
			break
		}
		fmt.Fprintf(&b, "- %s\n", words.OneLine(occurrence.Message, maxMessage))
	}
	fmt.Fprintf(&b, "Name\t: %s\nSeverity\t: %s\n", words.OneLine(spec.Name, maxName), words.OneLine(string(spec.Severity), maxName))
	if remedy != "" {
		fmt.Fprintf(&b, "Fix\t: %s\n", remedy)
	}
	return b.String()
}

// errorText is why an evaluation failed.
func errorText(result *policy.Result) string {
	if result.Err == nil {
		return "no reason given"
	}
	return words.OneLine(result.Err.Error(), maxMessage)
}

func count(n int, one, many string) string { return fmt.Sprintf("%d %s", n, choose(n, one, many)) }

func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
