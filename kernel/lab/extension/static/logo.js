// Minerva's owl, the logo of the kernel too.
export const OWL = `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" viewBox="0 0 64 64">
  <title>Minerva</title>
  <path fill="#3a3d78" d="M8 5c5 5 13 8 24 8S51 10 56 5c3 9 4 17 4 27 0 17-12 28-28 28S4 49 4 32C4 22 5 14 8 5z"/>
  <path fill="#545aa6" d="M32 13c11 0 19-3 24-8 1.6 4.7 2.6 9.2 3.2 13.8C52 17.5 41 21 32 31 23 21 12 17.5 4.8 18.8 5.4 14.2 6.4 9.7 8 5c5 5 13 8 24 8z"/>
  <circle cx="20" cy="33" r="11.5" fill="#fbf0d3"/>
  <circle cx="44" cy="33" r="11.5" fill="#fbf0d3"/>
  <circle cx="21.5" cy="33" r="6.2" fill="#22234a"/>
  <circle cx="42.5" cy="33" r="6.2" fill="#22234a"/>
  <circle cx="23.6" cy="30.6" r="2" fill="#fff"/>
  <circle cx="44.6" cy="30.6" r="2" fill="#fff"/>
  <path fill="#f0a23b" d="M32 37.5l5 5.5-5 9-5-9z"/>
</svg>`;
