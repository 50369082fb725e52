// How many alerts came that nobody has looked at: in the title and on the favicon.

const title = document.title;
const favicon = document.getElementById("favicon");
const plain = favicon.href;

export function badge(count) {
  document.title = count ? `(${count}) ${title}` : title;
  favicon.href = count ? picture(count) : plain;
}

function picture(count) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 32;
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#0a6b5e";
  pen.beginPath();
  pen.roundRect(0, 0, 32, 32, 8);
  pen.fill();
  pen.fillStyle = "#ffffff";
  pen.font = "bold 20px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(count > 9 ? "9+" : String(count), 16, 17);
  return canvas.toDataURL();
}

export function chime() {
  if (localStorage.getItem("heed.sound") !== "on") return;
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.08, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.35);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.35);
  tone.onended = () => audio.close();
}

export function notify(data) {
  if (!document.hidden || localStorage.getItem("heed.notify") !== "on" || Notification.permission !== "granted") return;
  const note = new Notification("Heed noticed something", { body: data.title, tag: data.id });
  note.onclick = () => window.focus();
}
