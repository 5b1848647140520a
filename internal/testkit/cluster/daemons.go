package cluster

import (
	"path/filepath"

	"github.com/quoitbuild/quoit/internal/testkit/image"
)

// nodeDaemon is what the node's process reads; see integration/tools/node.
type nodeDaemon struct {
	Name, Path string
	Args, Env  []string
}

func (s settings) daemon(name, tool, program string, args ...string) nodeDaemon {
	return nodeDaemon{
		Name: name, Path: filepath.Join(s.tools[tool], program), Args: args,
		// Nothing of the user: not a proxy, not a login at a registry.
		Env: []string{
			"PATH=" + s.tools["containerd"] + ":" + image.DefaultPath,
			"HOME=" + s.Dir,
			"TMPDIR=" + filepath.Join(s.Dir, "tmp"),
		},
	}
}

// control are the daemons that need no API server, and the server itself.
func (s settings) control() []nodeDaemon {
	pki := s.PKI()
	return []nodeDaemon{
		// Sockets of etcd have relative names.
		s.daemon("etcd", "etcd", "server",
			"--name=quoit", "--data-dir=etcd", "--unsafe-no-fsync", "--log-level=warn",
			"--listen-client-urls=unix://etcd.sock", "--advertise-client-urls=unix://etcd.sock",
			"--listen-peer-urls=unix://peer.sock", "--initial-advertise-peer-urls=unix://peer.sock",
			"--initial-cluster=quoit=unix://peer.sock"),
		s.daemon("containerd", "containerd", "containerd", "--config=containerd.toml"),
		s.daemon("kube-apiserver", "kubernetes", "kubernetes",
			"--etcd-servers=unix://etcd.sock",
			"--bind-address=127.0.0.1", "--secure-port="+s.APIPort,
			"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
			"--service-cluster-ip-range="+s.Network.services(),
			"--tls-cert-file="+pki+"/apiserver.crt", "--tls-private-key-file="+pki+"/apiserver.key",
			"--client-ca-file="+pki+"/ca.crt", "--anonymous-auth=false", "--allow-privileged=true", "--authorization-mode=Node,RBAC",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file="+pki+"/serviceaccounts.pub",
			"--service-account-signing-key-file="+pki+"/serviceaccounts.key",
			"--kubelet-preferred-address-types=Hostname", "--kubelet-certificate-authority="+pki+"/ca.crt",
			"--kubelet-client-certificate="+pki+"/admin.crt", "--kubelet-client-key="+pki+"/admin.key"),
	}
}

// controlled are the daemons that end or wait long without an API server.
func (s settings) controlled() []nodeDaemon {
	return []nodeDaemon{
		s.daemon("kube-controller-manager", "kubernetes", "kubernetes",
			"--kubeconfig="+s.AdminConfig(), "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0",
			"--root-ca-file="+s.PKI()+"/ca.crt", "--service-account-private-key-file="+s.PKI()+"/serviceaccounts.key"),
		s.daemon("kube-scheduler", "kubernetes", "kubernetes",
			"--kubeconfig="+s.AdminConfig(), "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0"),
		s.daemon("kubelet", "kubernetes", "kubernetes",
			"--config=kubelet.yaml", "--kubeconfig="+s.KubeletConfig(), "--root-dir="+filepath.Join(s.Dir, "kubelet"),
			"--cert-dir="+s.PKI(), "--hostname-override="+s.Node),
	}
}
