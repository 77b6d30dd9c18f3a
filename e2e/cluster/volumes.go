package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/util/fieldpath"
	"k8s.io/utils/ptr"
)

// volumes are the folders of a pod's volumes.
type volumes struct {
	client kubernetes.Interface
	dir    string
	pod    func() *corev1.Pod

	mutex sync.Mutex
	// tokens made so far, and when to make the next, by volume and file.
	tokens map[string]token
}

type token struct {
	value string
	renew time.Time
}

// folder of a volume.
func (v *volumes) folder(name string) string { return filepath.Join(v.dir, name) }

// write makes all folders, and brings what is in them up to date.
func (v *volumes) write(ctx context.Context) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	var errs []error
	for _, volume := range v.pod().Spec.Volumes {
		if err := v.writeVolume(ctx, volume); err != nil {
			errs = append(errs, fmt.Errorf("volume %s: %w", volume.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (v *volumes) writeVolume(ctx context.Context, volume corev1.Volume) error {
	folder := v.folder(volume.Name)
	var files map[string][]byte
	var err error
	switch s := volume.VolumeSource; {
	case s.EmptyDir != nil, s.PersistentVolumeClaim != nil:
		return os.MkdirAll(folder, 0o700)
	case s.ConfigMap != nil:
		files, err = v.configMap(ctx, s.ConfigMap.Name, s.ConfigMap.Items, s.ConfigMap.Optional)
	case s.Secret != nil:
		files, err = v.secret(ctx, s.Secret.SecretName, s.Secret.Items, s.Secret.Optional)
	case s.DownwardAPI != nil:
		files, err = v.downward(s.DownwardAPI.Items)
	case s.Projected != nil:
		files = map[string][]byte{}
		for _, source := range s.Projected.Sources {
			part, failed := v.projected(ctx, volume.Name, source)
			maps.Copy(files, part)
			err = errors.Join(err, failed)
		}
	default:
		err = errors.New("volumes of this kind are not made here")
	}
	if err != nil {
		return err
	}
	return writeAtomically(folder, files)
}

func (v *volumes) projected(ctx context.Context, volume string, source corev1.VolumeProjection) (map[string][]byte, error) {
	switch {
	case source.ConfigMap != nil:
		return v.configMap(ctx, source.ConfigMap.Name, source.ConfigMap.Items, source.ConfigMap.Optional)
	case source.Secret != nil:
		return v.secret(ctx, source.Secret.Name, source.Secret.Items, source.Secret.Optional)
	case source.DownwardAPI != nil:
		return v.downward(source.DownwardAPI.Items)
	case source.ServiceAccountToken != nil:
		made, err := v.token(ctx, volume, *source.ServiceAccountToken)
		return map[string][]byte{source.ServiceAccountToken.Path: []byte(made)}, err
	}
	return nil, errors.New("projections of this kind are not made here")
}

// token is a token of the pod's ServiceAccount that ends with the pod; it is renewed when four fifths of its time are over.
func (v *volumes) token(ctx context.Context, volume string, projection corev1.ServiceAccountTokenProjection) (string, error) {
	key := volume + "/" + projection.Path
	if known, ok := v.tokens[key]; ok && time.Now().Before(known.renew) {
		return known.value, nil
	}
	pod := v.pod()
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: projection.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if projection.Audience != "" {
		request.Spec.Audiences = []string{projection.Audience}
	}
	made, err := v.client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("requesting a token of ServiceAccount %s: %w", pod.Spec.ServiceAccountName, err)
	}
	if v.tokens == nil {
		v.tokens = map[string]token{}
	}
	lifetime := time.Until(made.Status.ExpirationTimestamp.Time)
	v.tokens[key] = token{made.Status.Token, time.Now().Add(lifetime / 5 * 4)}
	return made.Status.Token, nil
}

func (v *volumes) configMap(ctx context.Context, name string, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	object, err := v.client.CoreV1().ConfigMaps(v.pod().Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, unlessOptional(err, optional)
	}
	all := maps.Clone(object.BinaryData)
	if all == nil {
		all = map[string][]byte{}
	}
	for k, content := range object.Data {
		all[k] = []byte(v.mountedAnywhere(content))
	}
	return chosen(all, items, optional)
}

// mountedAnywhere replaces paths within the pod's containers, which files of configuration name.
func (v *volumes) mountedAnywhere(content string) string {
	for _, c := range v.pod().Spec.Containers {
		content = mounted(content, c.VolumeMounts, v)
	}
	return content
}

func (v *volumes) secret(ctx context.Context, name string, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	object, err := v.client.CoreV1().Secrets(v.pod().Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, unlessOptional(err, optional)
	}
	return chosen(object.Data, items, optional)
}

func (v *volumes) downward(items []corev1.DownwardAPIVolumeFile) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("%s: only fields are written here", item.Path)
		}
		value, err := fieldpath.ExtractFieldPathAsString(v.pod(), item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		files[item.Path] = []byte(value)
	}
	return files, nil
}

func unlessOptional(err error, optional *bool) error {
	if apierrors.IsNotFound(err) && ptr.Deref(optional, false) {
		return nil
	}
	return err
}

// chosen are the items of what there is; without items it is all.
func chosen(all map[string][]byte, items []corev1.KeyToPath, optional *bool) (map[string][]byte, error) {
	if len(items) == 0 {
		return all, nil
	}
	files := map[string][]byte{}
	for _, item := range items {
		content, ok := all[item.Key]
		if !ok && !ptr.Deref(optional, false) {
			return nil, fmt.Errorf("there is no key %s", item.Key)
		}
		files[item.Path] = content
	}
	return files, nil
}

// value of a variable's reference to a ConfigMap or Secret.
func (v *volumes) value(ctx context.Context, from *corev1.EnvVarSource) (string, error) {
	var all map[string][]byte
	var err error
	var key string
	var optional *bool
	switch {
	case from.ConfigMapKeyRef != nil:
		key, optional = from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Optional
		all, err = v.configMap(ctx, from.ConfigMapKeyRef.Name, nil, optional)
	case from.SecretKeyRef != nil:
		key, optional = from.SecretKeyRef.Key, from.SecretKeyRef.Optional
		all, err = v.secret(ctx, from.SecretKeyRef.Name, nil, optional)
	default:
		err = errors.New("references of this kind are not resolved here")
	}
	if err != nil {
		return "", err
	}
	content, ok := all[key]
	if !ok && !ptr.Deref(optional, false) {
		return "", fmt.Errorf("there is no key %s", key)
	}
	return string(content), nil
}

// environment of a whole ConfigMap or Secret.
func (v *volumes) environment(ctx context.Context, from corev1.EnvFromSource) (map[string]string, error) {
	var all map[string][]byte
	var err error
	switch {
	case from.ConfigMapRef != nil:
		all, err = v.configMap(ctx, from.ConfigMapRef.Name, nil, from.ConfigMapRef.Optional)
	case from.SecretRef != nil:
		all, err = v.secret(ctx, from.SecretRef.Name, nil, from.SecretRef.Optional)
	}
	values := map[string]string{}
	for k, content := range all {
		values[k] = string(content)
	}
	return values, err
}

// The names by which a kubelet changes all files of a volume at once: they are links into a folder behind a link.
const current, coming = "..data", "..data_tmp"

// writeAtomically makes a folder hold the files, as a kubelet does: whoever follows it sees one change.
func writeAtomically(folder string, files map[string][]byte) error {
	if same(folder, files) {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	made, err := os.MkdirTemp(folder, "..")
	if err != nil {
		return err
	}
	for name, content := range files {
		file := filepath.Join(made, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			return err
		}
	}
	old, err := os.Readlink(filepath.Join(folder, current))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(filepath.Base(made), filepath.Join(folder, coming)); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(folder, coming), filepath.Join(folder, current)); err != nil {
		return err
	}
	for name := range files {
		link := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join(folder, current, name), link); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := removeOthers(folder, files); err != nil || old == "" {
		return err
	}
	return os.RemoveAll(filepath.Join(folder, old))
}

// removeOthers removes links to files that are no longer there.
func removeOthers(folder string, files map[string][]byte) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, wanted := files[e.Name()]; !wanted && e.Type() == fs.ModeSymlink && e.Name() != current {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// same tells whether the folder holds exactly the files.
func same(folder string, files map[string][]byte) bool {
	if _, err := os.Stat(filepath.Join(folder, current)); err != nil {
		return false
	}
	for name, content := range files {
		there, err := os.ReadFile(filepath.Join(folder, current, name))
		if err != nil || !bytes.Equal(there, content) {
			return false
		}
	}
	count := 0
	err := filepath.WalkDir(filepath.Join(folder, current)+"/", func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			count++
		}
		return err
	})
	return err == nil && count == len(files)
}
