/** Compiles the package and the examples into a new folder, whose examples find the package by its name. */
export function makeStory(root: string): Promise<{ file: string; remove: () => void }>
