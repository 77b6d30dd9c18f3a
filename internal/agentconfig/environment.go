package agentconfig

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/assay-gitops/assay/internal/suggest"
)

// readEnvironment overrides keys of the draft by variables. One that is empty counts as not set, as in the old agent.
func (l *loader) readEnvironment(env []string) {
	variables := map[string]string{}
	for _, entry := range env {
		if name, text, ok := strings.Cut(entry, "="); ok && name != "" && text != "" {
			variables[name] = text
		}
	}
	known := map[string]bool{}
	for i := range l.keys {
		k := &l.keys[i]
		name := k.variable()
		known[name] = true
		if rest, ok := strings.CutPrefix(name, "TFADMISSION_"); ok {
			old := "TERRAFORM_" + rest
			known[old] = true
			if variables[name] == "" && variables[old] != "" {
				l.warn(Place{Variable: old}, k.name, "is set by the name it had before agents of version 2.0", "rename the variable to "+name)
				name = old
			}
		}
		if text := variables[name]; text != "" {
			l.set(k, Place{Variable: name}, text)
		}
	}
	if l.draft.KubeConfigFile == "" {
		l.draft.KubeConfigFile = variables["KUBECONFIG"]
	}
	if text := variables["POD_NAMESPACE"]; text != "" && l.draft.Namespace == "" && !l.faulty["namespace"] {
		l.set(l.byName["namespace"], Place{Variable: "POD_NAMESPACE"}, text)
	}
	l.misspelt(slices.Sorted(maps.Keys(variables)), known)
}

// serviceLink is a variable that Kubernetes makes of a Service in the pod's namespace.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT|SERVICE_PORT_[A-Z0-9_]+|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// misspelt warns of variables that look like those of keys. They are no faults, because the environment is everybody's.
func (l *loader) misspelt(variables []string, known map[string]bool) {
	all := slices.Sorted(maps.Keys(known))
	for _, name := range variables {
		if known[name] || serviceLink.MatchString(name) || len(l.warnings) >= maxFindings {
			continue
		}
		section, _, nested := strings.Cut(name, "_")
		if _, ours := l.sections[strings.ToLower(section)]; !nested || !ours {
			continue
		}
		if near := suggest.Nearest(name, all); len(near) > 0 {
			l.warn(Place{Variable: name}, "", "sets no key", (&suggest.UnknownError{Nearest: near}).Hint())
		}
	}
}
