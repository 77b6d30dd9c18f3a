package store

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Records are the evidence beside results: what a cluster was judged by, and which full audits there were.
type Records interface {
	// Declare says which objects a cluster has at a time, all of them: what it has for the first time, or otherwise than before, is a new
	// version, and versions of what it has not any more end. It tells how many versions began or ended. A time that is not after that of
	// the last declaration of the cluster changes nothing: it came late. ErrInvalid is a declaration without a cluster, a time, or with an
	// object that has no kind, name or version or is there twice.
	Declare(ctx context.Context, cluster string, at time.Time, objects []Declared) (changed int, err error)
	// DeclaredAt is what a cluster had of a kind at a time, by name; the zero time is now. It is nil when nothing is known of that time:
	// nothing was declared until then.
	DeclaredAt(ctx context.Context, cluster, kind string, at time.Time) ([]Version, error)
	// Versions is a page of those that a query means, without their objects: the newest first, of those that began at the same time by ID.
	Versions(ctx context.Context, q VersionQuery, limit int, cursor string) (Versions, error)
	// Version is one, with its object; ErrNotFound when it is not there.
	Version(ctx context.Context, id string) (*Version, error)
	// AddPass keeps a full audit of a cluster; one that is there is replaced unless it has ended. ErrInvalid is one without a cluster, an
	// ID or a start.
	AddPass(ctx context.Context, cluster string, pass *Pass) error
	// Passes of clusters, the ones that started last first, at most limit; of all clusters when there are none. Counts are left out.
	Passes(ctx context.Context, clusters []string, limit int) ([]Pass, error)
	// Pass is one with its counts; ErrNotFound when it is not there.
	Pass(ctx context.Context, cluster, id string) (*Pass, error)
}

// Declared is a policy, PolicySet, PolicyConfig or PolicyException of a cluster.
type Declared struct {
	Kind, Name string
	// Version is another one when the object says something else; its status is not part of it.
	Version string
	// Object is all of it, as JSON. Of one version the newest is kept.
	Object json.RawMessage
}

// Version of an object of a cluster, and when the cluster had it.
type Version struct {
	// ID is of this version alone.
	ID      string
	Cluster string
	Declared
	// From is when it was declared first, To when it was declared first that it is not there any more; zero while it is.
	From, To time.Time
}

// VersionQuery says which versions are meant: those that have one of the values of each field that is not empty.
type VersionQuery struct {
	Clusters, Kinds, Names []string
	// Since and Until mean versions that a cluster had at some time from the one to the other. Zero does not bound.
	Since, Until time.Time
}

// Versions is a page of them.
type Versions struct {
	Items []Version
	// Next is the cursor of the page after; empty when there is none.
	Next string
}

// Pass is a full audit of a cluster.
type Pass struct {
	Cluster string
	ID      string
	// Trigger is initial-audit, periodic-audit or requested-audit, Request what was asked for.
	Trigger, Request string
	// End is zero while it goes on.
	Start, End time.Time
	// Failures are how many things it could not look at.
	Failures int
	// Detail is all that the agent tells of it, as JSON; only Pass fills it.
	Detail json.RawMessage
}

// VersionCursor is where a list of versions goes on: after the one that began at a time and has an ID.
type VersionCursor struct {
	From time.Time
	ID   string
}

// String is what a client is given.
func (c VersionCursor) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(c.From.UnixNano(), 10) + "." + c.ID))
}

// ParseVersionCursor reads what String wrote; ErrCursor is everything else.
func ParseVersionCursor(text string) (VersionCursor, error) {
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	from, id, ok := strings.Cut(string(plain), ".")
	at, numberErr := strconv.ParseInt(from, 10, 64)
	if err != nil || numberErr != nil || !ok || id == "" || len(id) > 64 {
		return VersionCursor{}, ErrCursor
	}
	return VersionCursor{time.Unix(0, at).UTC(), id}, nil
}

// MaxDeclared is how many objects a cluster declares at most.
const MaxDeclared = 10_000

// CheckDeclaration is ErrInvalid for what Declare takes from nobody.
func CheckDeclaration(cluster string, at time.Time, objects []Declared) error {
	switch {
	case cluster == "":
		return fmt.Errorf("%w: a declaration of no cluster", ErrInvalid)
	case at.Year() < 2000 || at.Year() > 2200:
		return fmt.Errorf("%w: a declaration of %s: that is no time of this age", ErrInvalid, at.Format(time.RFC3339))
	case len(objects) > MaxDeclared:
		return fmt.Errorf("%w: a declaration of %d objects: %d at most", ErrInvalid, len(objects), MaxDeclared)
	}
	seen := make(map[[2]string]bool, len(objects))
	for i := range objects {
		o := &objects[i]
		key := [2]string{o.Kind, o.Name}
		switch {
		case o.Kind == "" || o.Name == "" || o.Version == "":
			return fmt.Errorf("%w: object %d of a declaration has no kind, no name or no version", ErrInvalid, i)
		case seen[key]:
			return fmt.Errorf("%w: a declaration has %s %s twice", ErrInvalid, o.Kind, o.Name)
		case !json.Valid(o.Object):
			return fmt.Errorf("%w: %s %s of a declaration is not JSON", ErrInvalid, o.Kind, o.Name)
		}
		seen[key] = true
	}
	return nil
}

// CheckPass is ErrInvalid for what AddPass takes from nobody.
func CheckPass(cluster string, p *Pass) error {
	if cluster == "" || p.ID == "" || p.Start.IsZero() || len(p.Detail) > 0 && !json.Valid(p.Detail) {
		return fmt.Errorf("%w: an audit without a cluster, an ID or a start, or whose detail is not JSON", ErrInvalid)
	}
	return nil
}

// VersionID of a version that a cluster had from a time on: 32 hexadecimal digits.
func VersionID(cluster string, o *Declared, from time.Time) string {
	h := sha256.New()
	for _, part := range []string{cluster, o.Kind, o.Name, o.Version, strconv.FormatInt(from.UnixNano(), 10)} {
		_, _ = h.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
