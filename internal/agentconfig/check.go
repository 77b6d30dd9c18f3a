package agentconfig

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// check tells what is wrong or odd about keys together. What is wrong about a value by itself, its set has told.
func (l *loader) check() {
	l.checkGates()
	l.checkSinks("admission.sinks.", l.draft.Admission.Sinks)
	l.checkSinks("audit.sinks.", l.draft.Audit.Sinks)
	l.checkSinks("tfAdmission.sinks.", l.draft.TFAdmission.Sinks)
	l.checkPorts()
	l.checkWebhook()
	l.checkTimes()
	if t := l.draft.Tracing; t.Insecure && strings.HasPrefix(t.Endpoint, "https://") {
		l.fault(l.at("tracing.insecure"), "tracing.insecure", "contradicts the https URL of tracing.endpoint", "write http:// or remove tracing.insecure")
	}
}

// at is where a key was set; the file as a whole when it was not.
func (l *loader) at(key string) Place {
	if place, ok := l.given[key]; ok {
		return place
	}
	return Place{File: l.file}
}

func (l *loader) checkGates() {
	d := l.draft
	gates := []string{"admission.enabled", "audit.enabled", "tfAdmission.enabled"}
	if !d.Admission.Enabled && !d.Audit.Enabled && !d.TFAdmission.Enabled {
		if !l.faulty[gates[0]] && !l.faulty[gates[1]] && !l.faulty[gates[2]] {
			l.fault(Place{File: l.file}, "", "nothing is enabled, so the agent would do nothing", "set at least one of "+strings.Join(gates, ", ")+" to true")
		}
	}
	if d.Admission.Mutate && !d.Admission.Enabled {
		l.warn(l.at("admission.mutate"), "admission.mutate", "does nothing while admission.enabled is false", "")
	}
	if d.TFAdmission.Enabled && d.TFAdmission.Auth == (TFAuth{}) {
		l.warn(l.at("tfAdmission.enabled"), "tfAdmission.enabled", "lets whoever reaches the port ask for verdicts", "set tfAdmission.auth.tokenFile or tfAdmission.auth.clientCAFile")
	}
}

func (l *loader) checkSinks(prefix string, sinks Sinks) {
	if sinks.FilesystemSink != nil {
		l.require(prefix+"filesystemSink", "fileName")
	}
	if sinks.HubSink != nil {
		l.require(prefix+"hubSink", "url")
	}
	if sinks.WebhookSink != nil {
		l.require(prefix+"webhookSink", "url")
	}
	if s := sinks.ElasticSink; s != nil {
		section := prefix + "elasticSink"
		l.require(section, "address")
		l.require(section, "indexName")
		l.moveCredentials(section, s)
		if s.Password != "" && s.Username == "" {
			l.warn(l.at(section+".password"), section+".password", "is not sent without a user", "set "+section+".username")
		}
	}
}

// require tells a key that a section cannot do without.
func (l *loader) require(section, name string) {
	if _, given := l.given[section+"."+name]; !given {
		l.fault(l.at(section), section, "needs the key "+name, fmt.Sprintf("set it or the environment variable %s", l.byName[strings.ToLower(section+"."+name)].variable()))
	}
}

// moveCredentials takes user and password out of the address, where the old agent accepted them, so that the address can be
// logged.
func (l *loader) moveCredentials(section string, s *ElasticSink) {
	u, err := url.Parse(s.Address)
	if err != nil || u.User == nil {
		return
	}
	place, key := l.at(section+".address"), section+".address"
	if s.Username != "" || s.Password != "" {
		l.fault(place, key, "has a user besides that of username and password", "write them in one place")
		return
	}
	password, _ := u.User.Password()
	s.Username, s.Password = u.User.Username(), Secret(password)
	u.User = nil
	s.Address = u.String()
	l.warn(place, key, "has the user and password in it", "write them as username and password, or set "+l.byName[strings.ToLower(section+".password")].variable())
}

// checkPorts tells servers that cannot listen beside each other.
func (l *loader) checkPorts() {
	listens := []struct{ key, address string }{
		{"admission.webhook.listen", fmt.Sprintf(":%d", l.draft.Admission.Webhook.Listen)},
		{"probesListen", l.draft.ProbesListen},
		{"metricsAddress", l.draft.MetricsAddress},
	}
	for i, one := range listens {
		for _, other := range listens[:i] {
			if !samePort(one.address, other.address) {
				continue
			}
			told, against := one.key, other.key
			if _, given := l.given[told]; !given {
				told, against = against, told
			}
			l.fault(l.at(told), told, "has the port of "+against, "choose another one")
		}
	}
}

// samePort tells whether two servers want one port of one address. Port 0 is any free one, and what is no address is off.
func samePort(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil {
		return false
	}
	numberA, _ := portNumber(portA)
	numberB, _ := portNumber(portB)
	return numberA == numberB && numberA != 0 && (hostA == hostB || everyAddress(hostA) || everyAddress(hostB))
}

func everyAddress(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

func (l *loader) checkWebhook() {
	w := &l.draft.Admission.Webhook
	if _, dir := l.given["admission.webhook.certDir"]; dir && w.Certificates == CertificatesSelf {
		l.warn(l.at("admission.webhook.certDir"), "admission.webhook.certDir", "is not used: admission.webhook.certificates is self", "")
	}
	if w.URL == "" {
		return
	}
	for _, name := range []string{"admission.webhook.service", "admission.webhook.servicePort"} {
		if _, given := l.given[name]; given {
			l.warn(l.at(name), name, "is not used: the API server calls admission.webhook.url", "")
		}
	}
}

func (l *loader) checkTimes() {
	d := l.draft
	if d.Admission.Enabled && d.Evaluation.Timeout >= d.Admission.Webhook.Timeout {
		key := "evaluation.timeout"
		if _, given := l.given[key]; !given {
			key = "admission.webhook.timeout"
		}
		l.warn(l.at(key), key, fmt.Sprintf("gives one evaluation (%s) as long as the API server waits for all of them (%s)",
			formatDuration(d.Evaluation.Timeout), formatDuration(d.Admission.Webhook.Timeout)), "make evaluation.timeout shorter than admission.webhook.timeout")
	}
	if d.Breaker.Enabled && d.Breaker.Budget > d.Evaluation.Timeout {
		key := "breaker.budget"
		if _, given := l.given[key]; !given {
			key = "evaluation.timeout"
		}
		l.warn(l.at(key), key, fmt.Sprintf("makes the breaker's budget (%s) longer than an evaluation can take (%s)",
			formatDuration(d.Breaker.Budget), formatDuration(d.Evaluation.Timeout)), "")
	}
}
