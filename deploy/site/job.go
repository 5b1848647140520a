package site

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/quoitbuild/quoit/deploy"
)

const (
	container = "quoit"
	nobody    = int64(65532) // who a root image runs as, because an image FROM scratch says root
	dayInSecs = int32(24 * 60 * 60)
)

// job is the Job that runs the task. It fits the restricted Pod Security
// Standard.
func (t Task) job() *batchv1.Job {
	meta := metav1.ObjectMeta{Name: t.name(), Namespace: t.Site.Namespace}
	mark(&meta, t.Site)
	meta.Labels[labelStep] = string(t.Step.Action)
	meta.Annotations[annotationStep] = t.Step.String()
	deadline := int64((t.Timeout + t.Start) / time.Second)
	replace := batchv1.Failed // never two pods at a time
	return &batchv1.Job{
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			BackoffLimit: new(int32(0)), Completions: new(int32(1)), Parallelism: new(int32(1)),
			ActiveDeadlineSeconds: &deadline, TTLSecondsAfterFinished: new(dayInSecs), PodReplacementPolicy: &replace,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{labelSite: t.Site.Name, managedBy: manager}},
				Spec:       t.pod(),
			},
		},
	}
}

func (t Task) pod() corev1.PodSpec {
	var environment []corev1.EnvVar
	for _, v := range Variables(t.Site, t.Step, t.TakeOver) {
		environment = append(environment, corev1.EnvVar{Name: v.Name, Value: v.Value})
	}
	if t.Wait > 0 { // not in the Job's name: it changes nothing of what is done
		environment = append(environment, corev1.EnvVar{Name: "QUOIT_TIMEOUT", Value: t.Wait.String()})
	}
	return corev1.PodSpec{
		RestartPolicy:      corev1.RestartPolicyNever,
		ServiceAccountName: t.Site.Object(),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: new(true), RunAsUser: new(nobody), RunAsGroup: new(nobody), FSGroup: new(nobody),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{{
			Name: container, Image: t.Images.Root, Env: environment,
			TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
			SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
			},
			Resources: resources(),
			VolumeMounts: []corev1.VolumeMount{
				{Name: "release", MountPath: deploy.ImagesDir, ReadOnly: true},
				{Name: "tmp", MountPath: "/tmp"},
			},
		}},
		Volumes: []corev1.Volume{
			{Name: "release", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: t.name()},
			}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(resource.MustParse("1Gi"))}}},
		},
	}
}

// resources are a Job's own, so that it also runs where a quota wants limits of every
// pod, or a LimitRange at most a ratio of requests: none is above 50 times its request.
func resources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

// files is the ConfigMap that the Job mounts. It goes with the Job.
func (t Task) files(job *batchv1.Job) (*corev1.ConfigMap, error) {
	release, err := t.Release()
	if err != nil {
		return nil, err
	}
	meta := metav1.ObjectMeta{Name: job.Name, Namespace: job.Namespace, OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID},
	}}
	mark(&meta, t.Site)
	meta.Labels[labelStep] = string(t.Step.Action)
	return &corev1.ConfigMap{ObjectMeta: meta, Immutable: new(true), Data: map[string]string{deploy.ImagesName: string(release)}}, nil
}
