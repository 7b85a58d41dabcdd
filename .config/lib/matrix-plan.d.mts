export interface MatrixCell {
  name: string
  node?: string
  testcontainers?: string
  etcd?: string
}
export function planMatrix(args: string[], etcds?: string): { cells: MatrixCell[]; filters: string[] }
