package store

import (
	"context"
	"errors"
	"time"

	"github.com/assay-gitops/assay/internal/sink"
)

// ErrNotFound is what was asked for and is not there, or not for who asks.
var ErrNotFound = errors.New("not found")

// ErrCursor is a cursor that is not of this list.
var ErrCursor = errors.New("the cursor is not of this list")

// ErrInvalid is a question or a result that makes no sense: an order, dimension or limit that there is not, a result without an ID.
var ErrInvalid = errors.New("invalid")

// ErrUnavailable is a store that is away for now: what was asked or sent can be so again later.
var ErrUnavailable = errors.New("the store is away")

// MaxText is how long a text that is looked for is at most, in bytes.
const MaxText = 256

// MaxDays is how many days a timeline has at most.
const MaxDays = 3700

// Store keeps results. Implementations are safe for concurrent use.
type Store interface {
	Records
	// Add keeps results of a cluster; when it returns without an error, all of them survive a kill of the process. When it fails, some may be
	// kept: sending all again completes that, and doubles nothing. A store in one process keeps all or none, and shows them at once. Results that are known already are left alone. It tells how many were new. None at all are a sign of life of the cluster. A cluster
	// without a name, and a result without an ID, a gate, a time or a policy is ErrInvalid.
	Add(ctx context.Context, cluster string, results []*sink.Result) (added int, err error)
	// Violations is a page of those that a query means, in its order, which is stable.
	Violations(ctx context.Context, q Query, page Page) (Violations, error)
	// Violation is one of those in scope, with its document; ErrNotFound when it is not there.
	Violation(ctx context.Context, scope Scope, id string) (*Violation, error)
	// History of a violation in scope, newest first, at most limit.
	History(ctx context.Context, scope Scope, id string, limit int) ([]Event, error)
	// Facets counts the violations that a query means by the values of dimensions: of each the most frequent values, at most limit,
	// those that are as frequent by name. What has no value is not counted, but for the namespace: the empty one stands for objects
	// that are in none. A violation counts for each standard that its policy has.
	Facets(ctx context.Context, q Query, dimensions []Dimension, limit int) (map[Dimension][]Count, error)
	// Timeline counts results by day (UTC) from the day of q.From to that of q.To, whole days, days without any included, MaxDays at
	// most. Results count that are of violations in scope that q means; q.From and q.To say nothing here of when those were last seen.
	Timeline(ctx context.Context, q Query) ([]Day, error)
	// Clusters that have sent something, sorted by name. Scope does not limit it.
	Clusters(ctx context.Context) ([]Cluster, error)
	// Forget removes results that are older than before, violations that are not open and were last seen before it, versions that ended and
	// audits that started before it. It tells how many results it removed. It may stop half way with an error, and goes on from there when it is called again. Results are still
	// counted in the timeline of the day that before is in, unless their violation is removed.
	Forget(ctx context.Context, before time.Time) (removed int, err error)
	// Backup writes a consistent copy to a file that does not exist yet.
	Backup(ctx context.Context, path string) error
	// Stats tells how much is kept.
	Stats(ctx context.Context) (Stats, error)
	Close() error
}

// Status of a violation.
type Status string

// The statuses.
const (
	Open     Status = "open"
	Resolved Status = "resolved"
	Excepted Status = "excepted"
)

// Scope is what somebody may see. The zero value is nothing.
type Scope struct {
	// All is everything in every cluster.
	All bool
	// Namespaces, by cluster; the empty namespace stands for objects that are in none. Nil for a cluster is nothing of it.
	Namespaces map[string][]string
	// Clusters that are seen whole.
	Clusters []string
}

// Query says which violations are meant: those in scope that have one of the values of each field that is not empty.
type Query struct {
	Scope Scope

	Clusters, Namespaces, Workspaces []string
	// Apps are Flux objects as Kind/namespace/name.
	Apps                             []string
	Kinds, Names                     []string
	Policies, Categories, Severities []string
	// Standards are ids of standards, Controls "standard/control".
	Standards, Controls []string
	Gates               []sink.Gate
	Statuses            []Status
	// Exceptions are names of those that accept it; the empty one means that none does.
	Exceptions []string
	Enforced   *bool
	// From and To bound when a violation was last seen: From ≤ last seen < To. Zero does not.
	From, To time.Time
	// FirstFrom and FirstTo bound in the same way when it was first seen.
	FirstFrom, FirstTo time.Time
	// Text is found, in any case, in the message, the names of object and policy, or the policy's id. It has at most MaxText bytes.
	Text string
}

// Order is what a list is sorted by. The ID comes last, so that the order is total.
type Order string

// The orders.
const (
	ByLastSeen  Order = "lastSeen"
	ByFirstSeen Order = "firstSeen"
	BySeverity  Order = "severity"
	ByPolicy    Order = "policy"
	ByObject    Order = "object"
)

// Page is a part of a list.
type Page struct {
	Order Order
	// Ascending turns the order around: the newest and the most severe are first otherwise, names from A to Z.
	Ascending bool
	// Limit is how many are wanted, 1 to 1000.
	Limit int
	// Cursor of the page before; empty for the first. A cursor is of one query's order.
	Cursor string
}

// Violations is a page of them.
type Violations struct {
	Items []Violation
	// Next is the cursor of the page after; empty when there is none.
	Next string
}

// Violation is what is known of an object that violates a policy.
type Violation struct {
	// ID follows from cluster, gate, policy and object.
	ID      string
	Cluster string
	Gate    sink.Gate
	Status  Status
	// Resolution says why it is resolved, or which exception accepts it.
	Resolution string
	Enforced   bool

	PolicyID, PolicyName, Category, Severity string
	Standards                                []Standard
	APIVersion, Kind, Namespace, Name        string
	Workspace                                string
	App                                      *sink.App
	Message                                  string

	FirstSeen, LastSeen time.Time
	// Count of results about it, without those of audit that say that nothing changed; of all that ever came.
	Count int
	// Document is the newest result; only Violation fills it.
	Document *sink.Result
}

// Standard is a standard with the controls of it that the policy is for.
type Standard struct {
	ID       string
	Controls []string
}

// Event is one result in the history of a violation.
type Event struct {
	ResultID   string
	Time       time.Time
	Life       sink.Life
	Status     Status
	Resolution string
	Enforced   bool
	Operation  string
	// User who sent the request, at admission.
	User    string
	Message string
	// Revision of the Flux object that applied the object.
	Revision string
	Pass     string
}

// Dimension is what violations are counted by.
type Dimension string

// The dimensions.
const (
	Clusters   Dimension = "cluster"
	Namespaces Dimension = "namespace"
	Workspaces Dimension = "workspace"
	Apps       Dimension = "app"
	Kinds      Dimension = "kind"
	Policies   Dimension = "policy"
	Categories Dimension = "category"
	Severities Dimension = "severity"
	Standards  Dimension = "standard"
	Gates      Dimension = "gate"
	Statuses   Dimension = "status"
	// Exceptions are those that accept violations.
	Exceptions Dimension = "exception"
)

// Count of violations with a value.
type Count struct {
	Value string
	Count int
}

// Day of a timeline.
type Day struct {
	// Day is its beginning, UTC.
	Day time.Time
	// Opened and Resolved count results by what they say, Denied those of gates that refused.
	Opened, Resolved, Denied, Warned int
}

// Cluster that has sent something.
type Cluster struct {
	Name      string
	FirstSeen time.Time
	// LastSeen is when something of it came, by the hub's clock.
	LastSeen time.Time
	// Skew is how far the newest result was ahead of the hub's clock when something came. It is negative by what the way takes: a
	// backlog is as old as it is.
	Skew time.Duration
}

// Stats is how much is kept.
type Stats struct {
	Results, Violations, Open int
	// Bytes on disk.
	Bytes int64
}
