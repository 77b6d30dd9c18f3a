package cluster

import (
	"context"
	"fmt"
	"path/filepath"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
)

// UserKubeconfig writes a kubeconfig of a user who is in the groups, and returns its path.
func (c *Cluster) UserKubeconfig(user string, groups ...string) (string, error) {
	file := filepath.Join(c.dir, "user-"+filepath.Base(user)+".kubeconfig")
	return file, c.keys.writeKubeconfig(file, c.server, user, groups...)
}

// ServiceAccountKubeconfig writes a kubeconfig with a token of a ServiceAccount, and returns its path.
func (c *Cluster) ServiceAccountKubeconfig(ctx context.Context, namespace, name string) (string, error) {
	file := filepath.Join(c.dir, fmt.Sprintf("account-%s-%s.kubeconfig", namespace, name))
	made, err := c.Client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(validity.Seconds()))},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("requesting a token of ServiceAccount %s/%s: %w", namespace, name, err)
	}
	return file, writeKubeconfig(file, c.server, c.keys.caCert, &clientcmdapi.AuthInfo{Token: made.Status.Token})
}
