package agentconfig

import (
	"strings"
)

// Reference is a Markdown table of every key. Those of the sinks, which are the same for each gate, are told once with a
// * for the gate; those that only one gate has, with its name.
func Reference() string {
	var b strings.Builder
	b.WriteString("| key | value | default | environment | a change takes | meaning |\n|---|---|---|---|---|---|\n")
	all := keys(newDraft(defaults()))
	ofAll := map[string]bool{}
	for _, k := range all {
		if sinks, found := strings.CutPrefix(k.name, "admission.sinks."); found {
			ofAll[sinks] = true
		}
	}
	for _, k := range all {
		gate, sinks, isSink := strings.Cut(k.name, ".sinks.")
		if isSink && ofAll[sinks] {
			if gate != "admission" {
				continue
			}
			k.name = "*.sinks." + sinks
		}
		takes := "a restart"
		if k.reload {
			takes = "a reload"
		}
		absent := k.absent
		if shown := k.value.show(); absent == "" && shown != "" {
			absent = "`" + shown + "`"
		}
		for _, cell := range []string{"`" + k.name + "`", k.value.kind, absent, "`" + k.variable() + "`", takes, k.meaning} {
			b.WriteString(strings.TrimRight("| "+cell, " ") + " ")
		}
		b.WriteString("|\n")
	}
	return b.String()
}
