/** Parts that pods have in common. */
import type { JsonObject } from './manifest.js'

/** For containers that need nothing of the system: the "restricted" Pod Security Standard. */
export const RESTRICTED: JsonObject = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
}

/** An unprivileged user for pods whose images name none. Its group may read mounted Secrets, and nobody else may. */
export function podUser(user: number): JsonObject {
  return {
    runAsNonRoot: true,
    runAsUser: user,
    runAsGroup: user,
    fsGroup: user,
    seccompProfile: { type: 'RuntimeDefault' },
  }
}

/** Files of a mounted Secret: for the owner and the group of the pod. Kubernetes writes modes in decimal. */
const SECRET_MODE = 0o440

/** A volume of a Secret. As a whole, never by `subPath`: the kubelet does not bring such a mount up to date. */
export function secretVolume(name: string, secretName: string): JsonObject {
  return { name, secret: { secretName, defaultMode: SECRET_MODE } }
}

/** Pods of one app on different nodes where that can be had. */
export function spread(labels: Readonly<Record<string, string>>): JsonObject {
  return {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 100,
          podAffinityTerm: { labelSelector: { matchLabels: { ...labels } }, topologyKey: 'kubernetes.io/hostname' },
        },
      ],
    },
  }
}
