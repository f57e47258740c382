/** Line icons of 24 units, drawn for this page. */
const PATHS = {
  mic: '<rect x="9" y="3" width="6" height="11" rx="3"/><path d="M5 11.500a7 7 0 0 0 14 0M12 18.500V21"/>',
  micOff: '<path d="M9 5.800A3 3 0 0 1 15 6v5M9 9.500V11a3 3 0 0 0 4.6 2.500M5 11.500a7 7 0 0 0 11 5.700M19 11.500a7 7 0 0 1-.6 2.800M12 18.500V21M4 3.500l16 17"/>',
  cam: '<rect x="3" y="6.5" width="12.5" height="11" rx="2.5"/><path d="M15.5 11l5-3v8l-5-3"/>',
  camOff: '<path d="M8 6.500h5A2.5 2.5 0 0 1 15.5 9v2l5-3v8l-2-1.200M15.5 15.500a2.5 2.5 0 0 1-2.5 2H5.500A2.5 2.5 0 0 1 3 15V9a2.5 2.5 0 0 1 1.6-2.300M3.5 3.500l17 17"/>',
  share: '<rect x="3" y="4.5" width="18" height="12" rx="2.5"/><path d="M8.5 20h7M12 13.500V8M9.5 10L12 7.500l2.5 2.5"/>',
  chat: '<path d="M4 6.500A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.500v7a2.5 2.5 0 0 1-2.5 2.500H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.500z"/>',
  people: '<circle cx="9" cy="8.5" r="3.2"/><path d="M3 19.500a6 6 0 0 1 12 0M16 5.600a3.2 3.2 0 0 1 0 5.800M17.5 14.200a6 6 0 0 1 3.5 5.3"/>',
  link: '<path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.700l1-1"/>',
  leave: '<path d="M13 4H7.500A1.5 1.5 0 0 0 6 5.500v13A1.5 1.5 0 0 0 7.5 20H13M11 12h9.500M17 8.500l3.5 3.5-3.5 3.5"/>',
  settings: '<path d="M4 7h9M19 7h1M4 17h2M12 17h8"/><circle cx="16" cy="7" r="2.600"/><circle cx="9" cy="17" r="2.600"/>',
  connection: '<path d="M5 20v-4M10 20v-8M15 20V8M20 20V4"/>',
  close: '<path d="M6 6l12 12M18 6L6 18"/>',
  send: '<path d="M5 12h13M13 6.500l5.5 5.5-5.5 5.5"/>',
  pin: '<path d="M9 4h6l-.7 6 3.2 3.500H6.500L9.7 10zM12 13.500V20"/>',
  door: '<path d="M4.5 20.500V11a7.5 7.500 0 0 1 15 0v9.500M2.5 20.500h19M9 20.500V13a3 3 0 0 1 6 0v7.500"/>',
  screen: '<rect x="3" y="5" width="18" height="12" rx="2.5"/><path d="M8.5 20.500h7"/>',
};

/** @param {keyof typeof PATHS} name */
export function icon(name, className = '') {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', `icon ${className}`);
  svg.innerHTML = PATHS[name];
  return svg;
}
