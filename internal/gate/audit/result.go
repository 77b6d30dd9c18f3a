package audit

import (
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	v2 "github.com/assay-gitops/assay/api/v2"
	"github.com/assay-gitops/assay/internal/kube/objects"
	"github.com/assay-gitops/assay/internal/sink"
	"github.com/assay-gitops/assay/internal/weave"
	"github.com/assay-gitops/assay/policy"
)

// Why a finding is resolved.
const (
	// ObjectFixed: the object changed and complies.
	ObjectFixed = "object fixed"
	// ObjectDeleted: the object is gone.
	ObjectDeleted = "object deleted"
	// RuleChanged: the object is as it was, and complies with the policy or the configuration as it is now.
	RuleChanged = "policy changed"
	// PolicyGone: the policy is deleted, or does not audit any more.
	PolicyGone = "policy gone"
	// NotTargeted: the policy does not target the object any more.
	NotTargeted = "not targeted"
	// Excepted: an exception accepts it. Its name follows.
	Excepted = "exception"
	// Exempt: the object's namespace is not judged any more.
	Exempt = "exempt"
	// KindGone: the cluster has no such kind any more.
	KindGone = "kind gone"
)

// told is what a result says beside the verdict.
type told struct {
	life       sink.Life
	resolution string
	// digest of the verdict, rule of what it depends on.
	digest uint32
	rule   uint64
	// namespace of the object; nil when it is not known.
	namespace     map[string]any
	pass, trigger string
}

// result makes the result. Its id follows from what it says, so that it stays the same when it is told again: by the next leader,
// when this one dies before it could note what it told.
func (a *Auditor) result(r policy.Result, t told) sink.Result {
	request := policy.Request{Object: r.Object, Namespace: t.namespace}
	meta := sink.Meta{
		Meta: weave.Meta{AccountID: a.o.AccountID, ClusterID: a.o.ClusterID, Source: weave.SourceAudit, Trigger: t.trigger, CreatedAt: time.Now()},
		Gate: sink.Audit, Workspace: request.Workspace(), Life: t.life, Resolution: t.resolution, Pass: t.pass,
	}
	if app, ok := r.Object.App(); ok {
		meta.Revision = a.o.Revision(app)
	}
	made := sink.New(r, meta)
	if t.life == sink.Resolved && made.Validation.Message == "" {
		made.Validation.Message = fmt.Sprintf("%s in %s: resolved (%s)", r.Policy.Spec.Name, r.Object, t.resolution)
	}
	object, namespace := metadataText(r.Object.Content, "uid"), metadataText(t.namespace, "resourceVersion")
	version := metadataText(r.Object.Content, "resourceVersion")
	pass := t.pass
	if t.life == sink.Opened || t.life == sink.Changed || t.life == sink.Resolved {
		pass = "" // the same whether a pass or a change led to it
	}
	made.Validation.ID = idOf(string(t.life), t.resolution, r.Policy.Spec.ID, strconv.FormatUint(t.rule, 16), object, version, namespace,
		string(r.Status), strconv.FormatUint(uint64(t.digest), 16), pass)
	return made
}

// idOf is a UUID of version 8 (RFC 9562) that follows from the parts.
func idOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	sum := uid(h.Sum(nil)[:16])
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	return sum.String()
}

func metadataText(content map[string]any, key string) string {
	metadata, _ := content["metadata"].(map[string]any)
	text, _ := metadata[key].(string)
	return text
}

// digestOf is of what a violation says. It is the same in every process.
func digestOf(r *policy.Result) uint32 {
	h := fnv.New32a()
	write := func(texts ...string) {
		for _, text := range texts {
			_, _ = h.Write([]byte(text)) //nolint:errcheck // a hash takes everything
			_, _ = h.Write([]byte{0})
		}
	}
	write(r.Message, strconv.FormatBool(r.Enforced))
	for _, o := range r.Occurrences {
		write(o.Path, o.Message)
	}
	return h.Sum32()
}

// stub is an object of which only its name is known any more.
func stub(r objects.Resource, id uid, namespace, name string) *policy.Object {
	metadata := map[string]any{"name": name, "uid": id.String()}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	return &policy.Object{Content: map[string]any{"apiVersion": r.GroupVersion().String(), "kind": r.Kind, "metadata": metadata}}
}

// stubPolicy is a policy that was gone before this replica knew it.
func stubPolicy(id string) *v2.Policy {
	p := &v2.Policy{}
	p.Name, p.Spec.ID, p.Spec.Name = id, id, id
	return p
}
