package agentconfig

import "strings"

// MaxSize is the largest configuration file in bytes that Load reads.
const MaxSize = 1 << 20

// maxFindings is how many faults, and how many warnings, are told. Nobody reads more, and each unknown key is compared
// with all that are known.
const maxFindings = 50

// Load reads the configuration: content is YAML and may be empty, name is what its file is called in messages, and env the
// environment as os.Environ gives it, which overrides every key. Faults are told all at once, as an *Error; the
// configuration is nil then. No message repeats a value that may be a secret.
//
// Load reads no file and no environment of its own, and its time and memory are bounded by MaxSize.
func Load(name string, content []byte, env []string) (*Config, []Warning, error) {
	if name == "" {
		name = "configuration"
	}
	l := newLoader(name)
	l.readFile(content)
	l.readEnvironment(env)
	l.finish()
	l.check()
	sortWarnings(l.warnings)
	if len(l.faults) > 0 {
		sortFaults(l.faults)
		return nil, l.warnings, &Error{Faults: l.faults}
	}
	return &l.draft.Config, l.warnings, nil
}

// loader reads one configuration.
type loader struct {
	file  string
	draft *draft
	keys  []key
	// byName are the keys, sections the names that keys are in; both by their names in lower case.
	byName   map[string]*key
	sections map[string]string
	// given is where keys and sections of the file, and variables, have set something, right or wrong; by name as in the
	// reference.
	given map[string]Place
	// faulty are the keys whose values were refused.
	faulty map[string]bool

	faults   []Fault
	warnings []Warning
}

func newLoader(file string) *loader {
	l := &loader{
		file:     file,
		draft:    newDraft(defaults()),
		byName:   map[string]*key{},
		sections: map[string]string{},
		given:    map[string]Place{},
		faulty:   map[string]bool{},
	}
	l.keys = keys(l.draft)
	for i := range l.keys {
		name := l.keys[i].name
		l.byName[strings.ToLower(name)] = &l.keys[i]
		for at, r := range name {
			if r == '.' {
				l.sections[strings.ToLower(name[:at])] = name[:at]
			}
		}
	}
	return l
}

func (l *loader) fault(place Place, key, reason, hint string) {
	l.faulty[key] = true
	if len(l.faults) < maxFindings {
		l.faults = append(l.faults, Fault{Place: place, Key: key, Reason: reason, Hint: hint})
	}
}

func (l *loader) warn(place Place, key, reason, hint string) {
	if len(l.warnings) < maxFindings {
		l.warnings = append(l.warnings, Warning{Place: place, Key: key, Reason: reason, Hint: hint})
	}
}

// set gives a key the text that was written at a place.
func (l *loader) set(k *key, place Place, text string) {
	l.given[k.name] = place
	err := k.value.set(text)
	if err == nil {
		return
	}
	reason := err.Error()
	if (k.value.hides == nil || !k.value.hides(text)) && k.value.setList == nil {
		reason += `, not "` + shorten(text) + `"`
	}
	l.fault(place, k.name, reason, "")
}

// finish gives the gates those sinks that the configuration has.
func (l *loader) finish() {
	d := l.draft
	d.Admission.Sinks = l.sinks("admission.sinks.", &d.admission)
	d.Audit.Sinks = l.sinks("audit.sinks.", &d.audit)
	d.TFAdmission.Sinks = l.sinks("tfAdmission.sinks.", &d.tfAdmission)

	// The old agent had only files, and those who tell their folder mean them.
	_, dir := l.given["admission.webhook.certDir"]
	_, kind := l.given["admission.webhook.certificates"]
	if dir && !kind {
		d.Admission.Webhook.Certificates = CertificatesFiles
	}
}

func (l *loader) sinks(prefix string, s *sinkDraft) Sinks {
	var sinks Sinks
	if l.hasSink(prefix + "filesystemSink") {
		sinks.FilesystemSink = &s.filesystem
	}
	if l.hasSink(prefix + "k8sEventsSink") {
		sinks.K8sEventsSink = &s.events
	}
	if l.hasSink(prefix + "fluxNotificationSink") {
		sinks.FluxNotificationSink = &s.flux
	}
	if l.hasSink(prefix + "elasticSink") {
		sinks.ElasticSink = &s.elastic
	}
	if l.hasSink(prefix + "hubSink") {
		sinks.HubSink = &s.hub
	}
	if l.hasSink(prefix + "webhookSink") {
		sinks.WebhookSink = &s.webhook
	}
	if l.hasSink(prefix + "policyReportSink") {
		sinks.PolicyReportSink = &s.reports
	}
	return sinks
}

// hasSink tells whether any key of a sink is given. A section without any is off, as in the old agent, and told.
func (l *loader) hasSink(section string) bool {
	example := ""
	for _, k := range l.keys {
		if !strings.HasPrefix(k.name, section+".") {
			continue
		}
		if _, given := l.given[k.name]; given {
			return true
		}
		if example == "" {
			example = k.name
		}
	}
	if place, given := l.given[section]; given {
		l.warn(place, section, "is empty and turns nothing on", "set "+example+" or remove it")
	}
	return false
}
