package sqlite

import (
	"time"

	"github.com/assay-gitops/assay/internal/hub/store"
	"github.com/assay-gitops/assay/internal/hub/store/columns"
	"github.com/assay-gitops/assay/internal/hub/store/fold"
	"github.com/assay-gitops/assay/internal/sink"
)

// moment is nanoseconds since 1970.
type moment = int64

// violation is one as the database has it. Its policy is the number of one.
type violation struct {
	slot uint32
	key  store.Key

	cluster, kind, namespace, name string
	fold.State[int64]

	// content, pass and life are of the newest result.
	content fold.Content
	pass    int64
	life    int
}

// violationColumns are in the order of scan and values.
const violationColumns = `slot, key, cluster, gate, api, kind, namespace, name, workspace, app, revision, policy, message, status, resolution, ` +
	`said, said_why, closed, closed_why, enforced, hidden, first, last, newest, results, content, pass, life`

func (v *violation) scan(row interface{ Scan(...any) error }) error {
	var key, content []byte
	var status, said int
	if err := row.Scan(&v.slot, &key, &v.cluster, &v.Gate, &v.API, &v.kind, &v.namespace, &v.name, &v.Workspace, &v.App, &v.Revision, &v.Policy, &v.Message,
		&status, &v.Resolution, &said, &v.SaidWhy, &v.Closed, &v.ClosedWhy, &v.Enforced, &v.Hidden, &v.First, &v.Last, &v.Newest, &v.Results,
		&content, &v.pass, &v.life); err != nil {
		return err
	}
	copy(v.key[:], key)
	copy(v.content[:], content)
	v.Status, v.Said = at(statuses, status), at(statuses, said)
	return nil
}

func (v *violation) values() []any {
	return []any{
		v.slot, v.key[:], v.cluster, v.Gate, v.API, v.kind, v.namespace, v.name, v.Workspace, v.App, v.Revision, v.Policy, v.Message,
		number(v.Status), v.Resolution, number(v.Said), v.SaidWhy, v.Closed, v.ClosedWhy, v.Enforced, v.Hidden, v.First, v.Last, v.Newest, v.Results,
		v.content[:], v.pass, v.life,
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

// indexed is the violation as package columns has it.
func (v *violation) indexed(p knownPolicy) *columns.Violation {
	return &columns.Violation{
		Key: v.key, Cluster: v.cluster, Gate: v.Gate, Kind: v.kind, Namespace: v.namespace, Name: v.name, Workspace: v.Workspace, App: v.App,
		PolicyID: p.PolicyID, PolicyName: p.Name, Category: p.Category, Severity: p.Severity, Standards: p.Standards, Message: v.Message,
		Status: v.Status, Resolution: v.Resolution, Enforced: v.Enforced, Hidden: v.Hidden, FirstSeen: time.Unix(0, v.First), LastSeen: time.Unix(0, v.Last),
	}
}

// shown is the violation as people are told.
func (v *violation) shown(p knownPolicy) store.Violation {
	shown := v.Show(v.key, &p.Facts)
	shown.Cluster, shown.Kind, shown.Namespace, shown.Name = v.cluster, v.kind, v.namespace, v.name
	return shown
}

// complete gives a document what it is kept without; one that is whole has it.
func (v *violation) complete(r *sink.Result, pass string) {
	if v.content == (fold.Content{}) {
		return
	}
	differs := fold.Differs{ID: v.Newest, Time: time.Unix(0, v.Last).UTC(), Pass: pass, Revision: v.Revision, Life: at(fold.Lives, v.life)}
	differs.Complete(r)
}
