package sqlite

import (
	"strings"
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/columns"
	"github.com/assay-gitops/assay/internal/sink"
)

// moment is nanoseconds since 1970.
type moment = int64

// violation is one as the database has it.
type violation struct {
	slot uint32
	key  columns.Key

	cluster, gate              string
	api, kind, namespace, name string
	workspace, app, revision   string
	policy                     int64
	message                    string
	status                     store.Status
	resolution                 string
	said                       store.Status
	saidWhy                    string
	closed                     moment
	closedWhy                  string
	enforced, hidden           bool
	first, last                moment
	newest                     string
	results                    int
}

// violationColumns are in the order of scan and values.
const violationColumns = `slot, key, cluster, gate, api, kind, namespace, name, workspace, app, revision, policy, message, status, resolution, ` +
	`said, said_why, closed, closed_why, enforced, hidden, first, last, newest, results`

func (v *violation) scan(row interface{ Scan(...any) error }) error {
	var key []byte
	var status, said int
	if err := row.Scan(&v.slot, &key, &v.cluster, &v.gate, &v.api, &v.kind, &v.namespace, &v.name, &v.workspace, &v.app, &v.revision, &v.policy, &v.message,
		&status, &v.resolution, &said, &v.saidWhy, &v.closed, &v.closedWhy, &v.enforced, &v.hidden, &v.first, &v.last, &v.newest, &v.results); err != nil {
		return err
	}
	copy(v.key[:], key)
	v.status, v.said = at(statuses, status), at(statuses, said)
	return nil
}

func (v *violation) values() []any {
	return []any{
		v.slot, v.key[:], v.cluster, v.gate, v.api, v.kind, v.namespace, v.name, v.workspace, v.app, v.revision, v.policy, v.message,
		number(v.status), v.resolution, number(v.said), v.saidWhy, v.closed, v.closedWhy, v.enforced, v.hidden, v.first, v.last, v.newest, v.results,
	}
}

func number(s store.Status) int {
	for i, status := range statuses {
		if s == status {
			return i
		}
	}
	return -1
}

// take adds what a result says that is not known yet.
func (v *violation) take(it *item, policy knownPolicy, known func(id int64) knownPolicy) (newest bool) {
	r := it.result
	newest = v.newest == "" || it.at > v.last || it.at == v.last && it.id > v.newest
	v.results++
	if r.Life == sink.Unchanged {
		v.results--
	}
	v.hidden = v.hidden && !it.reading.Violates
	if v.first == 0 || it.at < v.first {
		v.first = it.at
	}
	e := &r.Validation.Entity
	switch {
	case !newest && v.said == store.Open:
	case !newest || r.Life == sink.Resolved:
		// Fills in what is not known otherwise.
		v.api, v.workspace = either(newest, e.APIVersion, v.api), either(newest, r.Workspace, v.workspace)
		if app, revision := application(r.App); v.app == "" || newest && app != "" {
			v.app, v.revision = app, revision
		}
		if v.policy == 0 || newest && !policy.stub || known(v.policy).stub {
			v.policy = policy.id
		}
	default:
		v.api, v.workspace, v.policy = e.APIVersion, r.Workspace, policy.id
		v.app, v.revision = application(r.App)
	}
	if newest {
		v.last, v.newest = it.at, it.id
		v.said, v.saidWhy = it.reading.Status, it.reading.Resolution
		v.message = either(true, r.Validation.Message, v.message)
		if it.reading.Wrong {
			v.enforced = it.reading.Enforced
		}
	} else if v.message == "" {
		v.message = r.Validation.Message
	}
	v.conclude()
	return newest
}

// either is the first text, or the second when it is preferred or the first is empty.
func either(first bool, a, b string) string {
	if a == "" || !first && b != "" {
		return b
	}
	return a
}

// close notes that audit says that the violation is resolved.
func (v *violation) close(at moment, why string) {
	if at > v.closed || at == v.closed && why > v.closedWhy {
		v.closed, v.closedWhy = at, why
		v.conclude()
	}
}

// conclude sets the status. What audit says of the object ends a warning of admission.
func (v *violation) conclude() {
	v.status, v.resolution = v.said, v.saidWhy
	if v.gate == string(sink.Admission) && v.said == store.Open && v.closed != 0 && v.closed >= v.last {
		v.status, v.resolution = store.Resolved, v.closedWhy
	}
}

// application is an App as a query has it, and its revision.
func application(app *sink.App) (name, revision string) {
	if app == nil {
		return "", ""
	}
	return app.Kind + "/" + app.Namespace + "/" + app.Name, app.Revision
}

// indexed is the violation as package columns has it.
func (v *violation) indexed(p knownPolicy) *columns.Violation {
	return &columns.Violation{
		Key: v.key, Cluster: v.cluster, Gate: v.gate, Kind: v.kind, Namespace: v.namespace, Name: v.name, Workspace: v.workspace, App: v.app,
		PolicyID: p.policyID, PolicyName: p.name, Category: p.category, Severity: p.severity, Standards: p.standards, Message: v.message,
		Status: v.status, Enforced: v.enforced, Hidden: v.hidden, FirstSeen: time.Unix(0, v.first), LastSeen: time.Unix(0, v.last),
	}
}

// shown is the violation as people are told.
func (v *violation) shown(p knownPolicy) store.Violation {
	shown := store.Violation{
		ID: v.key.String(), Cluster: v.cluster, Gate: sink.Gate(v.gate), Status: v.status, Resolution: v.resolution, Enforced: v.enforced,
		PolicyID: p.policyID, PolicyName: p.name, Category: p.category, Severity: p.severity, Standards: p.standards,
		APIVersion: v.api, Kind: v.kind, Namespace: v.namespace, Name: v.name, Workspace: v.workspace, Message: v.message,
		FirstSeen: time.Unix(0, v.first).UTC(), LastSeen: time.Unix(0, v.last).UTC(), Count: v.results,
	}
	if parts := strings.SplitN(v.app, "/", 3); len(parts) == 3 {
		shown.App = &sink.App{Kind: parts[0], Namespace: parts[1], Name: parts[2], Revision: v.revision}
	}
	return shown
}
